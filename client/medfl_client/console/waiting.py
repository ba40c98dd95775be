"""What a plan does here, in the words of `medfl-client approve`: made by a worker, kept till then.

The words need torch, so a process of its own makes them, once for each state of the files that
they depend on.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medfl_client.console.hospital import Stamp, Study, mark
from medfl_common.console.reading import in_words
from medfl_common.errors import MedflError
from medfl_common.ui.told import Told

AGAIN_S = 30.0  # until a plan that could not be read is read again
Make = Callable[[Path], Mapping[str, Any]]


@dataclass(frozen=True)
class Seen:
    """A plan as a person sees it; of none of both: it is being read."""

    facts: Mapping[str, Any] | None = None
    error: MedflError | None = None

    @property
    def told(self) -> Told:
        """Give what `approve` says of it."""
        return Told.of(self.facts["told"] if self.facts else [])

    @property
    def cost(self) -> Told:
        """Give what it costs of the privacy budget."""
        return Told.of(self.facts["cost"] if self.facts else [])


class Plans:
    """The plans of a hospital's studies, in words.

    Args:
        make: Makes the words; by a worker.
    """

    def __init__(self, make: Make) -> None:
        self._make = make
        self._seen: dict[Path, tuple[Stamp, Seen]] = {}
        self._wanted: dict[Path, Stamp] = {}
        self._again: dict[Path, float] = {}  # when what failed is tried again
        self._lock = threading.Lock()

    def of(self, study: Study) -> Seen | None:
        """Give a study's plan; None: it has none. What is not known yet is made beside."""
        if study.plan_file is None:
            return None
        stamp = _stamp(study)
        with self._lock:
            known = self._seen.get(study.folder)
            is_old = time.monotonic() > self._again.get(study.folder, float("inf"))
            if known is not None and known[0] == stamp and not is_old:
                return known[1]
            if self._wanted.get(study.folder) != stamp or is_old:
                self._again.pop(study.folder, None)
                self._wanted[study.folder] = stamp
                threading.Thread(target=self._read, args=(study, stamp), daemon=True).start()
        return Seen()

    def _read(self, study: Study, stamp: Stamp) -> None:
        try:
            seen = Seen(self._make(study.folder))
        except (MedflError, OSError) as error:  # no process could be made, too
            seen = Seen(error=in_words(error))
        with self._lock:
            if seen.error is not None:
                self._again[study.folder] = time.monotonic() + AGAIN_S
            self._seen[study.folder] = stamp, seen


def _stamp(study: Study) -> Stamp:
    plan = study.plan_file
    assert plan is not None
    state = study.state
    return tuple(
        map(mark, (plan, state.proposed, study.files.site_file, state.approvals, state.privacy))
    )
