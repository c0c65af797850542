"""Japanese: normalise, phones with accent marks."""
