"""Differentially private training: coins, clipping by patient, noise (DP-SGD).

Each step takes each patient by a coin of the patient's own, cuts the patient's mean gradient to the
clip, adds normal noise to the sum, and divides by the expected number of patients. Abadi et al.:
Deep Learning with Differential Privacy. CCS 2016. https://arxiv.org/abs/1607.00133

What floating point does to the proof is not covered: the noise is made and added in float64, and
the sum is rounded to a 4096th of the noise. Mironov: On Significance of the Least Significant Bits
for Differential Privacy. CCS 2012.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medfl_client.data.dataset import Examples, Indices
from medfl_client.training.augment import augment_alone
from medfl_client.training.clipping import PatientClipping
from medfl_client.training.draw_units import Units
from medfl_client.training.losses import each_image_loss
from medfl_client.training.objectives import Objective
from medfl_client.training.step import make_optimizer
from medfl_client.training.train import Trained
from medfl_common import __version__
from medfl_common.errors import TrainingError
from medfl_common.plan.plan import Plan
from medfl_common.plan.privacy import Noise
from medfl_common.privacy.random_stream import SecretStream, derived_key

ROUNDED = 12  # binary places of the noise's standard deviation that are kept


@dataclass(frozen=True)
class Draws:
    """What the draws and the noise of one question follow from.

    key: 32 secret bytes, of this question alone; see `question_key`.
    n_declared: Patients that the site says it trains on: never their exact number.
    """

    key: bytes
    n_declared: int


def question_key(secret: bytes, plan: Plan, *asked: str | int) -> bytes:
    """Make the key of one question: the same question has the same noise, any other its own.

    So an answer made again tells nothing new, and no two answers differ by the data alone, or by
    how this machine rounds.

    Args:
        secret: The site's.
        plan: What was approved.
        asked: All else that the answer follows from: kind, round, and digests of the weights and
            of the data.
    """
    return derived_key(secret, plan.hash(), *asked, __version__, torch.__version__)


def coins(draws: Draws, units: Units, noise: Noise) -> NDArray[np.bool_]:
    """Toss (steps, U): whom each step draws. A unit's coins say nothing of who else is there."""
    chance = noise.draw / draws.n_declared
    rows = [
        SecretStream(draws.key, "coins", name).coins(noise.steps, chance) for name in units.names
    ]
    return np.stack(rows, axis=1) if rows else np.zeros((noise.steps, 0), bool)


def train_privately(
    model: nn.Module,
    images: Examples,
    units: Units,
    plan: Plan,
    round_: int,
    objective: Objective,
    device: torch.device,
    draws: Draws,
    max_steps: int | None = None,
) -> Trained:
    """Train in place for the plan's steps; what it did is in no number that it gives.

    `max_steps` ends it early, to try a step. Raises TrainingError where the weights are no finite
    numbers any more.
    """
    noise = plan.privacy.noise
    assert noise is not None
    rate = plan.learning_rate(round_)
    clipping = PatientClipping(model, noise.clip, plan.model.name)
    drawn = coins(draws, units, noise)[:max_steps]
    optimizer = make_optimizer(model, plan.training, rate)
    loss_of_each = each_image_loss(plan)
    objective.before_epoch(0)
    for step, chosen in enumerate(drawn):
        with clipping:
            for places, n_images in _parts(np.flatnonzero(chosen), units, plan.training.batch_size):
                inputs, targets = _batch(images, places)
                if images.is_images and plan.training.augmentation.is_on:
                    names = [(units.names[i], n) for i, n in n_images]
                    inputs = changed(inputs, names, plan, draws.key, step)
                sizes = [n for _, n in n_images]
                clipping.add(inputs.to(device), targets.to(device), sizes, loss_of_each)
        _take_noisy(clipping, noise, SecretStream(draws.key, "noise", step))
        objective.edit_gradients()
        optimizer.step()
    if not all(bool(torch.isfinite(p).all()) for p in clipping.parameters):
        raise TrainingError(
            f"a weight became infinite in round {round_}",
            todo="lower training.lr, or privacy.noise.multiplier with more patients in a draw",
            who="the coordinator",
            data="nothing was sent",
        )
    return Trained(draws.n_declared, len(drawn), 0.0)


def _take_noisy(clipping: PatientClipping, noise: Noise, stream: SecretStream) -> None:
    """Turn the sums into gradients: noise added, rounded, over the expected number of patients."""
    deviation = noise.multiplier * noise.clip
    for parameter, total in zip(clipping.parameters, clipping.sums, strict=True):
        added = torch.from_numpy(stream.normal(total.numel())).mul_(deviation)
        summed = total.add_(added.to(total.device).view(total.shape))
        mean = rounded_(summed, deviation).div_(noise.draw)
        parameter.grad = mean.to(parameter.device, parameter.dtype)
        total.zero_()


def rounded_(values: torch.Tensor, deviation: float) -> torch.Tensor:
    """Round float64 values, in place, to a power of 2 of at most a 4096th of the deviation."""
    unit = 2.0 ** (math.floor(math.log2(deviation)) - ROUNDED)
    return values.div_(unit).round_().mul_(unit)


def _parts(
    chosen: Indices, units: Units, most: int
) -> Iterator[tuple[Indices, list[tuple[int, int]]]]:
    """Go through the drawn units in parts of at most so many images; a unit stays whole.

    Gives the places of the images, and (unit, images of it) in their order.
    """
    part: list[int] = []
    size = 0
    for unit in chosen.tolist():
        n = len(units.places[unit])
        if part and size + n > most:
            yield _part(part, units)
            part, size = [], 0
        part.append(unit)
        size += n
    if part:
        yield _part(part, units)


def _part(part: list[int], units: Units) -> tuple[Indices, list[tuple[int, int]]]:
    own = [units.places[unit] for unit in part]
    return np.concatenate(own), [
        (unit, len(places)) for unit, places in zip(part, own, strict=True)
    ]


def _batch(images: Examples, places: Indices) -> tuple[torch.Tensor, torch.Tensor]:
    return next(iter(images.batches(torch.from_numpy(places), len(places))))


def changed(
    inputs: torch.Tensor, units: list[tuple[str, int]], plan: Plan, key: bytes, step: int
) -> torch.Tensor:
    """Change each unit's images at random, whoever else is drawn; these changes are no secret."""
    own_parts = torch.split(inputs, [n for _, n in units])
    parts = [
        augment_alone(own, plan.training.augmentation, _seed(key, name, step), plan.images.aspect)
        for own, (name, _) in zip(own_parts, units, strict=True)
    ]
    return torch.cat(parts)


def _seed(key: bytes, name: str, step: int) -> int:
    return int.from_bytes(derived_key(key, "changes", name, step)[:8], "big") >> 1
