"""Mandarin: normalise -> words -> phones. Start at `phones.mandarin_phones`."""
