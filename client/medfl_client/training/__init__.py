"""Training and scoring at one site; an algorithm changes them through `objectives`."""
