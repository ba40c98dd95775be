"""What algorithms keep at a site between rounds: variates, its own model, compression errors.

It never leaves the site, survives a restart of the client, and a round that is asked for again
starts from the state before that round.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch

from medfl_client.training.round_store import LocalLayers
from medfl_common.models.weights import Weights

Part = Literal["algorithm", "personal", "residual"]
MOST = 3  # rounds: a coordinator goes back two checkpoints at most
CLIENT_STATE = "memory"  # its folder, in that of the run's own layers
NEWEST = sys.maxsize  # before this round: what was kept last


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


def read_client_state(layers: LocalLayers, round_: int) -> ClientState:
    """Read what was kept before a round."""
    before: dict[str, Weights] = {}
    for name, tensor in (layers.before(round_) or {}).items():
        part, _, rest = name.partition("/")
        before.setdefault(part, {})[rest] = tensor
    return ClientState(before)


def write_client_state(layers: LocalLayers, round_: int, state: ClientState) -> None:
    """Keep what is to be kept after a round; it is on the disk when this returns."""
    flat = {
        f"{part}/{name}": tensor.detach().cpu().contiguous()
        for part, weights in state.after.items()
        for name, tensor in weights.items()
    }
    if flat:
        layers.keep(round_, flat)
