"""The losses: modules over the vectors of a batch's distinct texts and a plan of who is what."""
