"""The trainer: `pairs.jsonl` to a fine-tuned model."""

# The folders in the order in which they build on one another: each may import those before it, none those after it.
# What a loss is called and set by stands below all: config and rows ask the registry, which loads no loss.
FOLDERS = ("losses.sections", "losses.registry", "rows", "model", "step", "losses", "watch", "run", "distill")
