"""How good a voice is: measured by a speech recogniser and by a speaker encoder, beside the same for real recordings."""
