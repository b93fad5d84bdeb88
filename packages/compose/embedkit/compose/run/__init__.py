"""One run of compose, from tables to files: options, steps, output, result."""
