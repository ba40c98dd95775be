"""Runners that make the runs of a sweep, one file each."""
