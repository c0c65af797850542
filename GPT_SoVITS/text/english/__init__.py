"""English: normalise -> words -> phones (ARPAbet). Start at `phones.english_phones`."""
