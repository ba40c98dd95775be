"""Updates whose turn in the roster's order has not come wait on the disk, not in memory.

So the coordinator holds one update at a time, however many sites it has. After a crash the sites
are asked again, so nothing here is worth keeping.
"""

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file, save_file

from medfl_common.models.weights import Weights
from medfl_common.wire.results import TrainResult

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


def _n_bytes(update: Weights) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in update.values())
