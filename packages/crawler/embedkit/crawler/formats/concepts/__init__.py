"""Formats that state terms and definitions by themselves: each becomes entries, without any guess."""
