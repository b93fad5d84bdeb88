"""Formats of files: one module each, to HTML (`markup`) or to entries (`concepts`); `kinds` registers them."""
