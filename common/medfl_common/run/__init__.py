"""The files of a run: log, checkpoints, the final model."""
