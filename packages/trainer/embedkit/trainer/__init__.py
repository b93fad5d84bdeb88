"""The trainer: `pairs.jsonl` to a fine-tuned model."""

# The folders in the order in which they build on one another: each may import those before it, none those after it.
FOLDERS = ("rows", "model", "step", "losses", "watch", "run")
