"""One run of crawl, and its forecast."""
