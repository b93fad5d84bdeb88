"""Models: from a name to an encoder, its vectors, other engines, and what a tokenizer can read."""
