"""Train the base of the nano family from a corpus of many speakers."""
