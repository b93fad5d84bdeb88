"""One step of training: batch, forward pass, memory, several processes."""
