"""Evaluation: held-out queries ranked before and after, and whether the difference is real."""
