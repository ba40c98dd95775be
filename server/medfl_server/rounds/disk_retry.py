"""A full disk stops nothing for good: what must be written is tried again until it can be."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from medfl_common.errors import system_reason
from medfl_common.files import Json
from medfl_common.run.events import Event
from medfl_common.run.log import RunLog
from medfl_server.superlink.transport import Announce

AGAIN_S = 5.0  # between two tries
Result = TypeVar("Result")


def write_with_retry(write: Callable[[], Result], folder: Path, announce: Announce) -> Result:
    """Call `write` until the disk takes it; what it writes stays in memory meanwhile.

    Args:
        write: Writes below `folder`, whole or not at all; raises OSError where it cannot.
        folder: Whose disk to tell about.
        announce: Takes the line that says what is wrong, once.
    """
    is_told = False
    while True:
        try:
            return write()
        except OSError as error:
            free = shutil.disk_usage(folder).free / 1e6
            if not is_told:
                is_told = True
                announce(
                    f"{folder} cannot be written ({system_reason(error)}; {free:,.0f} MB are "
                    "free). The study waits for space and loses nothing: make room, and it resumes"
                )
            time.sleep(AGAIN_S)


def write_into(folder: Path, announce: Announce, write: Callable[[Path], Result]) -> Result:
    """Write into a folder, as soon as the disk takes it."""
    return write_with_retry(lambda: write(folder), folder, announce)


class RetryingLog(RunLog):
    """A run log that waits for room on the disk.

    Args:
        folder: The run directory.
        announce: Takes the line that says what is wrong.
        note: Takes each event, once it is written.
    """

    def __init__(
        self, folder: Path, announce: Announce, note: Callable[[Event], None] = lambda event: None
    ) -> None:
        super().__init__(folder)
        self._announce, self._note = announce, note

    def add(self, event: Event) -> None:
        """Append one event."""
        super().add(event)
        self._note(event)

    def write(self, event: str, **values: Json) -> None:
        """Append one event as soon as the disk takes it."""
        write = super().write
        write_with_retry(lambda: write(event, **values), self.path.parent, self._announce)
