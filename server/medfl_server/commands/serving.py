"""The one process that serves a study."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medfl_common.files import locked
from medfl_common.run.folder import RunFolder
from medfl_server.superlink.allocator import give_back_large_blocks


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """Be the only one that serves a study; Flower's files stay in its directory."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: it says goodbye
    give_back_large_blocks()
    with locked(folder):
        os.environ["FLWR_HOME"] = str(RunFolder(folder).flower_home.resolve())
        yield
