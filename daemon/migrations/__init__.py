"""Migration scripts, one file a revision."""
