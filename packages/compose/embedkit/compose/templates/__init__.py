"""Synth: term and acronym lists to training rows through template packs, split by term."""
