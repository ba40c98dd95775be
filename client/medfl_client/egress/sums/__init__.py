"""The hospital's part of secure sums: its keys, what it masks, what it opens, and what it refuses.

No file below knows Flower, data or weights: a vector of integers comes in, masked numbers go out.
"""
