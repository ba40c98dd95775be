"""The run directory, and the weights that a study begins with."""
