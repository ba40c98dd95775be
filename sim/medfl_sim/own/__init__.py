"""A researcher's own parts and data, which a script or a notebook brings into a simulation."""
