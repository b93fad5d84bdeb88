"""Formats that are text with marks: each becomes HTML, which is read like any page."""
