"""Evaluation: a model held against its baseline on rows that it was not trained on, with a verdict and a report.

`sets` reads what is asked, `measure` turns it into numbers, `known` does both for questions about the glossary's own
terms and judges, `report` makes words, tables and pages; `evaluate.evaluate` takes the steps in turn. `records` stands
below all of them.
"""

FOLDERS = ("sets", "measure", "known", "report")  # a folder imports those before it, none after it
