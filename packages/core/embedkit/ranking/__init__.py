"""Ranking and its measures: exact nearest neighbours, BM25, metrics, near duplicates, the leak check."""
