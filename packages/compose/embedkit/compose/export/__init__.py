"""Training rows to and from other projects' formats, and as a Hugging Face dataset with its card."""
