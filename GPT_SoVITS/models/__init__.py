"""Network classes: semantic-to-waveform (s2) and text-to-semantic (s1)."""
