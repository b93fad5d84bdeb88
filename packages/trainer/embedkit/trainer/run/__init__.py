"""A run: planned, checked, tried, trained, resumed, compared."""
