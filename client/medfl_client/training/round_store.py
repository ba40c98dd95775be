"""Layers that stay at their site: what they were after each round, so that a restart goes on.

A task for a round that was asked before starts from the state before that round, not after it.
"""

from pathlib import Path

from safetensors.torch import load, save

from medfl_common.files import write_atomic
from medfl_common.models.weights import Weights


class LocalLayers:
    """One site's own layers in one study run.

    Args:
        folder: Where they are kept; None keeps them in this process only.
        most: Of how many rounds they are kept, the newest; None: of all.
    """

    def __init__(self, folder: Path | None, most: int | None = None) -> None:
        self._folder = folder
        self._most = most
        self._after: dict[int, bytes] = {}

    def keep(self, round_: int, weights: Weights) -> None:
        """Keep the state after a round; it is on the disk when this returns."""
        if self._folder is None:
            self._after[round_] = save(weights)
        else:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(self._path(round_), save(weights))
        if self._most is not None:
            for old in self._rounds()[: -self._most]:
                self._forget(old)

    def before(self, round_: int) -> Weights | None:
        """Give the newest state from before a round; None where there is none yet."""
        known = [number for number in self._rounds() if number < round_]
        if not known:
            return None
        newest = known[-1]
        return load(self._path(newest).read_bytes() if self._folder else self._after[newest])

    def _rounds(self) -> list[int]:
        if self._folder is None:
            return sorted(self._after)
        names = (path.stem for path in self._folder.glob("round-*.safetensors"))
        return sorted(int(name.removeprefix("round-")) for name in names)

    def _path(self, round_: int) -> Path:
        return (self._folder or Path()) / f"round-{round_:04d}.safetensors"

    def _forget(self, round_: int) -> None:
        if self._folder is None:
            del self._after[round_]
        else:
            self._path(round_).unlink(missing_ok=True)
