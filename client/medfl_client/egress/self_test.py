"""Can a picture of this site be read out of an update that is about to leave? A smoke alarm.

A dense layer's rows change by sums of its inputs, each times a number. Where one input prevails, as
after a step of one image, the row is that image but for its scale: Phong et al.: Privacy-Preserving
Deep Learning via Additively Homomorphic Encryption. IEEE TIFS 13, 2018. A crafted layer makes the
difference of neighbouring rows one image: Fowl et al.: Robbing the Fed. ICLR 2022.
https://arxiv.org/abs/2110.13057. Whoever passes this test may still be read by other means.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from medfl_common.models.weights import Weights

WEIGHT = ".weight"
MIN_VALUES = 16  # of an input; fewer are alike by chance
ALIKE = 0.99  # a correlation below says nothing
ROWS = 512  # compared at once
ROUNDING = 1e-7  # of a correlation
NEARER = 50.0  # times as near as any image of another patient; chance reached 17


@dataclass(frozen=True)
class Inputs:
    """What a dense layer is given for the site's images.

    values: (N, F) float32, of training images and of others.
    whose: (N,) the number of the patient.
    is_trained: (N,) whether it was trained on.
    is_picture: Whether the values are the image's own pixels, or else features of it.
    """

    values: torch.Tensor
    whose: torch.Tensor
    is_trained: torch.Tensor
    is_picture: bool


@dataclass(frozen=True)
class Reading:
    """What can be read out of one layer.

    correlation: Of the row that tells most with the training image that it is nearest to, 0..1.
    others: The same row's largest correlation with an image of another patient.
    n_found: Training images that can be read.
    """

    layer: str
    is_picture: bool
    correlation: float
    others: float
    n_found: int


def dense_layers(update: Weights) -> list[str]:
    """Name the layers whose rows can be an input: (M, F) weights, F at least MIN_VALUES."""
    return [
        name.removesuffix(WEIGHT)
        for name, tensor in update.items()
        if name.endswith(WEIGHT) and tensor.dim() == 2 and tensor.shape[1] >= MIN_VALUES
    ]


def read(update: Weights, inputs: Mapping[str, Inputs]) -> Reading | None:
    """Try each dense layer; give what the most telling one gives away, None where none can be."""
    found = [_read_layer(name, update[name + WEIGHT], given) for name, given in inputs.items()]
    return max(found, key=_how_near, default=None)


def _how_near(one: Reading) -> tuple[int, float]:
    return one.n_found, one.correlation


def _read_layer(name: str, rows: torch.Tensor, given: Inputs) -> Reading:
    likeness = _likeness(rows, given.values)
    own, of_whom = likeness.masked_fill(~given.is_trained, 0.0).max(dim=1)
    is_same = given.whose[of_whom][:, None] == given.whose
    other = likeness.masked_fill(is_same, 0.0).amax(dim=1)
    times = (1 - other.square()) / (1 - own.square())
    is_found = (own >= ALIKE) & (times >= NEARER)
    telling = int((times * (own >= ALIKE)).argmax())
    n_found = len({*of_whom[is_found].tolist()})
    return Reading(name, given.is_picture, float(own[telling]), float(other[telling]), n_found)


def _likeness(rows: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Correlate rows (M, F), and differences of neighbouring ones, with inputs (N, F): (M', N).

    The mean input and a constant are taken out of both, so the scale of a row does not matter.
    """
    common = torch.stack([torch.ones_like(values[0]), values.mean(dim=0)], dim=1)
    basis, _ = torch.linalg.qr(common)

    def unit(some: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(some - some @ basis @ basis.T)

    inputs = unit(values).T
    parts = [*torch.split(rows, ROWS), *(part.diff(dim=0) for part in torch.split(rows, ROWS))]
    likeness = torch.cat([unit(part) @ inputs for part in parts])
    return likeness.abs().clamp(max=1 - ROUNDING)
