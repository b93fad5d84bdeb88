"""Hard negatives: candidates by words (lexical) or vectors (dense), guards, the choice among what is left."""
