"""Networks, losses and image steps as data: lists of tensor operators, checked before any runs.

A file names operators of a fixed list, and their weights. It is read as JSON; nothing of it is
executed, evaluated or looked up as an attribute. docs/explanation/graphs.md has the format.
"""
