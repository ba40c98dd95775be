"""The finished model as files for other programs, and the catalogue of networks."""
