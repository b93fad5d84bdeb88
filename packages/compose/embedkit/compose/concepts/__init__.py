"""Concepts: which records speak of one thing."""
