"""Korean: normalise, sound changes, phones."""
