"""Which studies below a directory are new, or were changed from outside, while others run."""

from pathlib import Path

from medfl_common.run.folder import RunFolder
from medfl_server.study.coordinator import studies_below

Mark = tuple[int, ...]


class MadeMeanwhile:
    """Sees a study that was made, extended, amended, paused or stopped, or has other hospitals.

    Args:
        folder: The directory that studies are below. What is there now is known.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = self._known = self._marks()

    def __call__(self) -> list[Path]:
        """Give each study that differs from when it was given last, once nobody writes there."""
        now, before = self._marks(), self._last
        self._last = now
        found = [path for path, mark in now.items() if before.get(path) == mark]
        changed = [path for path in found if self._known.get(path) != now[path]]
        self._known = self._known | {path: now[path] for path in changed}
        return changed

    def _marks(self) -> dict[Path, Mark]:
        return {path: _mark(path) for path in studies_below(self._folder)}


def _mark(folder: Path) -> Mark:
    made = RunFolder(folder)
    files = (
        made.facts, made.plan_file, made.pause, made.stop, made.roster, made.invitations, made.ca,
        made.study_certificate,
    )  # fmt: skip
    return tuple(_written(path) for path in files)


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
