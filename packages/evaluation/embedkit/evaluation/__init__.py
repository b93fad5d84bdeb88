"""Evaluation: a model held against its baseline on rows that it was not trained on, with a verdict and a report."""
