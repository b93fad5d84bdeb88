"""Training rows before mining (drafts), on disk, and their split into parts."""
