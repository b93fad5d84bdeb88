"""Sources: what is crawled, and how each kind becomes documents."""
