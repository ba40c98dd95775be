"""The hospital's console: pages for people who never open a terminal; it calls what commands call.

The console itself loads no torch. What needs more is done by a process of its own, for as long as
it takes: `worker`.
"""
