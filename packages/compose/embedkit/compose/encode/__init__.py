"""Texts to vectors in shards, on one machine or many."""
