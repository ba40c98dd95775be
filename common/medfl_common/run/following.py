"""A file of JSON lines that grows, followed without reading it again."""

from collections.abc import Iterator
from pathlib import Path

from medfl_common.run.log import Line, parsed


class NewLines:
    """The whole lines that a file of JSON lines has got since the last look.

    A log of months is read once, not at every look, which costs what the new bytes cost. Nothing
    is written or cut here: another process may be in the middle of a line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin()

    def _begin(self) -> None:
        self._read, self._last = 0, b""  # bytes, and the line that ends there
        self.n = 0  # lines read

    def begin_again(self) -> bool:
        """Say whether what was read is not in the file any more; then all lines are new.

        A coordinator that goes on may rewrite its log: rounds whose checkpoint was lost. A hospital
        may put its ledger aside, or a copy back.
        """
        if self._is_still_there():
            return False
        self._begin()
        return True

    def _is_still_there(self) -> bool:
        if not self._read:
            return True
        if not self._path.exists():
            return False
        with self._path.open("rb") as file:
            file.seek(self._read - len(self._last))
            return file.read(len(self._last)) == self._last

    def __call__(self) -> Iterator[Line]:
        """Give the lines that are new, in the order written.

        RunError for one that is damaged, and at each later look, until the file has another there.
        """
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                found = parsed(line, self.n + 1, self._path) if line.strip() else None
                self._read += len(line)
                self._last = line
                self.n += 1
                if found is not None:
                    yield found
