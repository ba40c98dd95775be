"""The scale of every network's input, in one place.

A network sees (intensity - CENTRE) / SPREAD, where an intensity of 0 is black and 1 is white.
"""

CENTRE, SPREAD = 0.5, 0.25
BLACK = (0.0 - CENTRE) / SPREAD
RANGE = 1.0 / SPREAD  # from black to white
IN_WORDS = f"(intensity - {CENTRE:g}) / {SPREAD:g}, intensity 0 is black and 1 is white"
