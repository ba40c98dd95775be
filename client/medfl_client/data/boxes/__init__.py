"""Boxes of findings: read from lists, joined to images, placed in the network's input."""
