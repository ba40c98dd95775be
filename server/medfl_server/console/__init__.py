"""The coordinator's console: pages that follow studies, in a process of its own without torch.

Facts are read from a study's directory: `log.jsonl` by offset, `roster.json`, who holds the
directory, and the hint `live.json`. Nothing is written but by an action, which calls what a command
calls.
"""
