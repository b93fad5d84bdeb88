"""Ranking by words alone: n-grams, and names that stand in a question."""
