"""One local page for people: decide on synonyms and hard negatives, ask both models, look at the runs."""
