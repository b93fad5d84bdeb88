"""The composer: glossaries and two-column tables to `pairs.jsonl`, split by concept, with hard negatives."""
