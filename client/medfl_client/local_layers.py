"""Layers that stay at their site: what they were after each round, so that a restart goes on.

A task for a round that was asked before starts from the state before that round, not after it.
"""

from pathlib import Path

from safetensors.torch import load, save

from medfl_common.files import write_atomic
from medfl_common.params import Weights


class LocalLayers:
    """One site's own layers in one study run.

    Args:
        folder: Where they are kept; None keeps them in this process only.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._after: dict[int, bytes] = {}

    def keep(self, round_: int, weights: Weights) -> None:
        """Keep the state after a round; it is on the disk when this returns."""
        if self._folder is None:
            self._after[round_] = save(weights)
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(self._folder / f"round-{round_:04d}.safetensors", save(weights))

    def before(self, round_: int) -> Weights | None:
        """Give the newest state from before a round; None where there is none yet."""
        if self._folder is None:
            known = [number for number in self._after if number < round_]
            return load(self._after[max(known)]) if known else None
        names = sorted(self._folder.glob("round-*.safetensors"))
        known_files = [path for path in names if int(path.stem.removeprefix("round-")) < round_]
        return load(known_files[-1].read_bytes()) if known_files else None
