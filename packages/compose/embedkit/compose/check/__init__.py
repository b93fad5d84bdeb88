"""Checks of data files: bad rows, doubtful rows, texts that are too long."""
