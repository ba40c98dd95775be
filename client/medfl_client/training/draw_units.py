"""Who is drawn by a coin of its own in private training: a patient with all images, or an image."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from medfl_client.data.dataset import Examples, Indices, SiteData
from medfl_client.data.parts import Part
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan

CHUNK = 512  # images read at a time for the digest


@dataclass(frozen=True)
class Units:
    """The units of some images.

    names: (U,) that stay with a unit whoever else is there.
    places: Of each unit, where its images stand in the set.
    digest: SHA-256 of all inputs, targets and names.
    """

    names: tuple[str, ...]
    places: tuple[Indices, ...]
    digest: str

    def __len__(self) -> int:
        """Count the units."""
        return len(self.names)


def units_of(data: SiteData, part: Part, plan: Plan) -> Units:
    """Say who is drawn, or scored; raises ConfigError where nobody says whose the images are."""
    noise, owners = plan.privacy.noise, data.patients.get(part)
    assert noise is not None
    known = data.memo.get(f"units {part} {noise.per}")
    if known is not None and known[0] is data.of(part):  # else of other inputs of these patients
        found: Units = known[1]
        return found
    if owners is None or not data.pseudonyms:
        raise ConfigError("privacy.noise needs to know whose each image is")
    order = np.argsort(owners, kind="stable")
    numbers, starts = np.unique(owners[order], return_index=True)
    places = np.split(order, starts[1:]) if len(numbers) else []
    names = [data.pseudonyms[number] for number in numbers]
    if noise.per == "image":
        names = [
            f"{name}/{i}" for name, own in zip(names, places, strict=True) for i in range(len(own))
        ]
        places = [np.array([place]) for own in places for place in own]
    units = Units(tuple(names), tuple(places), _digest(data.of(part), names, places))
    data.memo[f"units {part} {noise.per}"] = (data.of(part), units)
    return units


def _digest(images: Examples, names: Sequence[str], places: Sequence[Indices]) -> str:
    """Hash what is trained on, unit by unit, in the order of their names."""
    digest = hashlib.sha256()
    for name, own in sorted(zip(names, places, strict=True), key=lambda pair: pair[0]):
        digest.update(f"{name} {len(own)}\n".encode())
        for inputs, targets in images.batches(torch.from_numpy(own), CHUNK):
            for values in (inputs, targets):
                digest.update(f"{values.dtype} {tuple(values.shape)}\n".encode())
                digest.update(values.contiguous().numpy().tobytes())
    return digest.hexdigest()


def weights_digest(weights: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of weights, their names and shapes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
