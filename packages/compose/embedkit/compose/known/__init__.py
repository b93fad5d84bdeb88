"""Known rows: the concepts that training has, asked for in words that training does not have."""
