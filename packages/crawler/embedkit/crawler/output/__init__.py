"""Output of a crawl: rows, files, translations, differences, the check for completeness."""
