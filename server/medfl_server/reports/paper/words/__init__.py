"""Sentences of a paper that a plan and a log can say; an empty one is not known to the run."""
