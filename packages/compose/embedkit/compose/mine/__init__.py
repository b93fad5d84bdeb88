"""Mining: the hard negatives of each row, found among the texts of its own part.

The words: a `pool` holds the candidates of one role and language; the `mask` forbids texts of the row's own concepts;
the `bar` is the highest score that a negative may have; the `window` is the range of ranks taken first; a `hub` is a
text that is near to very many rows, and the hub cap limits how many of them it becomes a negative of.
"""
