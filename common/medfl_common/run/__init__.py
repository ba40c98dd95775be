"""What a run leaves on the disk: log, checkpoints, the final model."""
