"""What stays at a site between rounds: own layers, variates, its own model, compression errors.

It never leaves the site, survives a restart of the client, and a round that is asked for again
starts from the state before that round.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load, save

from medfl_common.files import write_atomic
from medfl_common.models.weights import Weights

Part = Literal["algorithm", "personal", "residual"]
MOST = 3  # rounds: a coordinator goes back two checkpoints at most
CLIENT_STATE = "memory"  # its folder, in that of the run's own layers
NEWEST = sys.maxsize  # before this round: what was kept last


class RoundStore:
    """What one site keeps in one study run after each round: its own layers, or a ClientState.

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


@dataclass
class ClientState:
    """One round's: what was kept before it, by part, and what is to be kept after it."""

    before: Mapping[str, Weights] = field(default_factory=dict)
    after: dict[str, Weights] = field(default_factory=dict)

    def of(self, part: Part, device: torch.device | None = None) -> Weights:
        """Give a part of what was kept, on the CPU or a device."""
        return {
            n: t if device is None else t.to(device) for n, t in self.before.get(part, {}).items()
        }


def read_client_state(layers: RoundStore, round_: int) -> ClientState:
    """Read what was kept before a round."""
    before: dict[str, Weights] = {}
    for name, tensor in (layers.before(round_) or {}).items():
        part, _, rest = name.partition("/")
        before.setdefault(part, {})[rest] = tensor
    return ClientState(before)


def write_client_state(layers: RoundStore, round_: int, state: ClientState) -> None:
    """Keep what is to be kept after a round; it is on the disk when this returns."""
    flat = {
        f"{part}/{name}": tensor.detach().cpu().contiguous()
        for part, weights in state.after.items()
        for name, tensor in weights.items()
    }
    if flat:
        layers.keep(round_, flat)
