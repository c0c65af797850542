"""The daemon: settings, tables, inbox, staleness, queue and supervision. It never loads torch."""
