"""Run directories of simulations: made, compared, shown elsewhere."""
