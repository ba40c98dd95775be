"""Updates whose turn in the roster's order has not come wait on the disk, not in memory.

So the coordinator holds one update at a time, however many sites it has. After a crash the sites
are asked again, so nothing here is worth keeping.
"""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file, save_file

from medfl_common.models.weights import Weights
from medfl_common.wire.results import TrainResult

Aggregate = Callable[[str, TrainResult], None]  # takes (site, admitted result)
SMALL = 1_000_000  # bytes of an update that may as well stay in memory


class ReorderBuffer:
    """Admitted results by site, the large updates in files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._results: dict[str, TrainResult] = {}
        self.clear()

    def put(self, site: str, result: TrainResult) -> None:
        """Keep a result until its turn; in memory where the disk does not take it."""
        if result.update is not None and _n_bytes(result.update) > SMALL:
            with suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                save_file(result.update, self._folder / f"{site}.safetensors")
                result = replace(result, update={})
        self._results[site] = result

    def pop(self, site: str) -> TrainResult | None:
        """Give a site's result and forget it; None where there is none."""
        result = self._results.pop(site, None)
        if result is None or result.update != {}:
            return result
        path = self._folder / f"{site}.safetensors"
        update = load_file(path)
        path.unlink()
        return replace(result, update=update)

    def clear(self) -> None:
        """Remove what waits."""
        self._results.clear()
        shutil.rmtree(self._folder, ignore_errors=True)


class RosterOrder:
    """Aggregates updates in the roster's order, each as soon as its turn has come.

    Args:
        roster: The order.
        aggregate: Takes each update in its turn.
        is_done: Says whether a site has answered or will not.
        folder: Where updates wait while an earlier site is still out.
    """

    def __init__(
        self,
        roster: Sequence[str],
        aggregate: Aggregate,
        is_done: Callable[[str], bool],
        folder: Path,
    ) -> None:
        self._roster, self._aggregate, self._is_done = roster, aggregate, is_done
        self._waiting = ReorderBuffer(folder)
        self._turn = 0  # position in the roster of the first site whose turn has not come

    def add(self, site: str, result: TrainResult) -> None:
        """Aggregate a site's update, or keep it until those before it have come."""
        self._aggregate_waiting(before=site)
        if self._roster[self._turn] == site:
            self._aggregate(site, result)
            self._turn += 1
            self._aggregate_waiting()
        else:
            self._waiting.put(site, result)

    def close(self) -> None:
        """Aggregate what waits: no earlier site answers any more."""
        for site in self._roster[self._turn :]:
            self._aggregate_from_buffer(site)
        self._waiting.clear()

    def _aggregate_waiting(self, before: str = "") -> None:
        """Aggregate what waits, up to the first site that could still answer, or the one given."""
        for site in self._roster[self._turn :]:
            if site == before or not self._is_done(site):
                return
            self._aggregate_from_buffer(site)
            self._turn += 1

    def _aggregate_from_buffer(self, site: str) -> None:
        result = self._waiting.pop(site)
        if result is not None:
            self._aggregate(site, result)


def _n_bytes(update: Weights) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in update.values())
