"""Fetching: HTTP by requests, with limits, pace, robots.txt and a cache."""
