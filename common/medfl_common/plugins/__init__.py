"""Plugins: wheels with parts of medfl that the hospital's own IT installs, and nobody sends.

Nothing of one is imported before it was found to be the wheel that a plan and a policy name.
"""
