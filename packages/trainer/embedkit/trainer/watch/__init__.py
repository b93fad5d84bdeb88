"""What happens beside the steps: evaluation on dev rows, checkpoints, the log."""
