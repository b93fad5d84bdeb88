"""Training rows: drafts, splits, and the files that they become."""
