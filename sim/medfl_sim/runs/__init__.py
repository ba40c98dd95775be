"""Make run directories of simulations, compare them, and show them elsewhere."""
