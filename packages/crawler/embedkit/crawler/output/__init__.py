"""What a crawl writes: rows, files, translations, differences, proofs of completeness."""
