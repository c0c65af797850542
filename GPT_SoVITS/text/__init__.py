"""Text front-end: written text to the phones of the public symbol tables. Start at `frontend.phones_of`."""
