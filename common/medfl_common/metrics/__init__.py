"""Counts that sites send, and the scores, curves and intervals computed from them."""
