"""How each site's update of a round lies beside the others': its length, and its direction.

The direction comes from a sample, the same places of every update, so that memory is bounded
however large the model and however many the sites: the more sites, the fewer places.
"""

from collections.abc import Mapping

import torch

from medfl_common.files import Json

SAMPLE = 100_000  # weights of an update that are compared, at most
BUDGET = 2_000_000  # of all updates of a round together
THINNER = 3  # odd, for the same reason as in `sample`


class Comparison:
    """One round's updates, without running statistics; sites come in any order."""

    def __init__(self) -> None:
        self._norms: dict[str, float] = {}
        self._samples: dict[str, torch.Tensor] = {}
        self._thinned = 1  # of the sample's places, only every so many-th is kept

    def add(self, site: str, trained: Mapping[str, torch.Tensor], length: float) -> None:
        """Note one site's update, and its norm."""
        self._norms[site] = length
        self._samples[site] = own = sample(trained)[:: self._thinned].clone()
        if len(self._samples) * len(own) > BUDGET:
            self._thinned *= THINNER
            self._samples = {s: kept[::THINNER].clone() for s, kept in self._samples.items()}

    def result(self) -> dict[str, dict[str, Json]]:
        """Give each site's norm, and its cosine with the mean of the others'.

        The cosine is None where there is no other site, or no change to point anywhere.
        """
        total = sum((own.double() for own in self._samples.values()), torch.zeros(()))
        return {
            site: {"norm": self._norms[site], "cosine": _cosine(own.double(), total - own)}
            for site, own in self._samples.items()
        }


def sample(update: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Take evenly spaced weights of an update, laid out flat in alphabetical order."""
    n_weights = sum(tensor.numel() for tensor in update.values())
    step = -(-n_weights // SAMPLE)
    step += 1 - step % 2  # odd, or rows of 512 weights could give one column only
    parts, start = [], 0
    for name in sorted(update):
        flat = update[name].flatten()
        parts.append(flat[start::step])
        start = (start - flat.numel()) % step
    return torch.cat(parts) if parts else torch.zeros(0)


def _cosine(one: torch.Tensor, others: torch.Tensor) -> float | None:
    lengths = float(one.norm() * others.norm())
    return round(float(one @ others) / lengths, 6) if lengths > 0 else None
