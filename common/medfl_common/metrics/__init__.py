"""Counts that sites send, and the scores, curves and intervals that follow from them."""
