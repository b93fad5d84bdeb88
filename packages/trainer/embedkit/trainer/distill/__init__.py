"""A small fast student of a tuned model: a vector for each token, trained on with the same rows."""
