"""The finished model at the site: keep, score and explain it, and try it on new images."""
