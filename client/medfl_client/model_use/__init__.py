"""The finished model at the site: kept, scored, explained, and tried on new images."""
