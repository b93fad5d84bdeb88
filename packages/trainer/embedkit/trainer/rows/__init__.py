"""Rows: from files to numbered training rows, their concepts, lengths and order."""
