"""Hard negatives: candidates by words (lexical) or vectors (dense), guards, and the choice among what is left."""
