"""Parts that medfl has none of: a study's own losses, augmentations, metrics and rules.

A researcher's script enters them in a simulation, a plugin of the hospital's in a real study; a
plan names them.
"""
