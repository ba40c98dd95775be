"""docs/reference, made from the code: one file per kind of page. `make reference` writes it.

A page is a function that gives its text. Nothing in it depends on the machine, the day or the
width of a terminal, so a test compares the files with what the code says.
"""
