"""One run of compose, from tables to files."""
