"""How good a voice is: judged by a speech recogniser and a speaker encoder, beside real recordings."""
