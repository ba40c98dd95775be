"""Mask files to label arrays: found, joined to images, read in the sandbox."""
