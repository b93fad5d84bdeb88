"""Fetching: HTTP with caps, pace, robots.txt and a cache."""
