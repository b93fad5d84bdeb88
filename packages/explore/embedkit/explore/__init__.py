"""Explore: a model at work on a corpus: search, similarity, clusters, graphs."""
