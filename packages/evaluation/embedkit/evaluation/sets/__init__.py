"""Test files: reading them, and what their rows are a test of."""
