"""Tasks: the model at work, from a query to the nearest entries."""
