"""Candidates for negatives: the texts nearest to a question, by words, by vectors, by both."""
