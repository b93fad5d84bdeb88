"""Words and meaning together: known questions over entries, the share of each per language, learnt and kept."""
