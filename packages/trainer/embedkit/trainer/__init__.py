"""The trainer: `pairs.jsonl` to a fine-tuned model, the proof that it is better, and its use."""
