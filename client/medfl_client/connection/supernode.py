"""Flower's SuperNode as a child process that ends with its parent, whatever ends the parent.

    python -m medfl_client.connection.supernode ARGUMENTS OF flower-supernode

The parent holds the other end of the standard input; when it is gone, so is this process.
"""

import os
import sys
import threading
from importlib.metadata import entry_points

import medfl_client  # noqa: F401  sets Flower's environment before flwr is imported


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    (command,) = entry_points(group="console_scripts", name="flower-supernode")
    sys.argv[0] = command.name
    command.load()()
