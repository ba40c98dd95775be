"""One round at a site under privacy.noise: every number of its result is noisy, or declared."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from medfl_client.data.dataset import Examples, SiteData
from medfl_client.data.parts import Part
from medfl_client.egress.account import Cost
from medfl_client.egress.noise_rules import STEP_S
from medfl_client.training.client_state import ClientState
from medfl_client.training.draw_units import Units, units_of, weights_digest
from medfl_client.training.evaluate import score
from medfl_client.training.local_round import learned, trunk_of
from medfl_client.training.noisy_scores import noisy_counts
from medfl_client.training.objectives import Objective
from medfl_client.training.private_train import Draws, question_key, train_privately
from medfl_client.training.train import Trained
from medfl_common.errors import DataError
from medfl_common.models.network import Network
from medfl_common.models.weights import load_shared
from medfl_common.plan.noise_cost import scoring_multiplier
from medfl_common.plan.plan import Plan
from medfl_common.plan.privacy import Noise
from medfl_common.privacy.random_stream import SecretStream, derived_key
from medfl_common.wire.results import TrainResult, plan_number
from medfl_common.wire.tasks import TrainTask


@dataclass(frozen=True)
class NoiseAtSite:
    """What a site's answers with noise need.

    secret: Its key of coins and noise, 32 bytes.
    n_declared: Patients that it says it trains on; None: as many as the plan asks for.
    charge: Writes down what an answer costs, by the digest of its question, before it is made.
    """

    secret: bytes
    n_declared: int | None
    charge: Callable[[str, Cost], None]


def work_with_noise(
    task: TrainTask,
    model: Network,
    data: SiteData,
    device: torch.device,
    at_site: NoiseAtSite,
    client_state: ClientState | None = None,
    max_steps: int | None = None,
) -> TrainResult:
    """Train, or score a finished model, as `work` does; the cost is charged before a draw.

    Raises DataError where the site has fewer patients than the plan asks for.
    """
    started = time.monotonic()
    load_shared(model, task.weights)
    result = TrainResult(plan_number(task.plan), task.round, task.nonce)
    if task.kind == "train":
        kept = client_state or ClientState()
        result = _trained(result, task, model, data, device, at_site, kept, max_steps)
    elif task.is_scoring:
        result = _scored(result, task, model, data, device, at_site)
    seconds = math.ceil((time.monotonic() - started) / STEP_S) * STEP_S
    return replace(result, seconds=float(seconds))


def declared_patients(n_declared: int | None, plan: Plan) -> int:
    """Say how many patients a site trains on, as it tells the coordinator."""
    noise = plan.privacy.noise
    assert noise is not None
    return noise.least_patients if n_declared is None else n_declared


def _trained(
    result: TrainResult,
    task: TrainTask,
    model: Network,
    data: SiteData,
    device: torch.device,
    at_site: NoiseAtSite,
    client_state: ClientState,
    max_steps: int | None,
) -> TrainResult:
    noise, n = _noise(task.plan), declared_patients(at_site.n_declared, task.plan)
    units = units_of(data, "train", task.plan)
    _check_enough(len(units), n, noise)
    key = _question_key(at_site, task, model, units, device, n)
    cost = Cost("trained", noise.draw / n, noise.multiplier, noise.steps)
    at_site.charge(_name_of(key), cost)
    draws = Draws(key, n)

    def train(trunk: nn.Module, images: Examples, objective: Objective) -> Trained:
        return train_privately(
            trunk, images, units, task.plan, task.round, objective, device, draws, max_steps
        )

    trained, update = learned(task, model, data.train, device, client_state, train)
    return replace(result, n_images=n, n_steps=trained.n_steps, update=update)


def _scored(
    result: TrainResult,
    task: TrainTask,
    model: Network,
    data: SiteData,
    device: torch.device,
    at_site: NoiseAtSite,
) -> TrainResult:
    """Add the noisy scores of held-out patients, where the plan has a budget for them."""
    noise = _noise(task.plan)
    part: Part = "test" if task.kind == "test" else "validation"
    images = data.of(part)
    share = task.plan.evaluation.test if part == "test" else task.plan.evaluation.validation
    if noise.scores == 0 or share == 0:
        return result
    owners = data.patients.get("train", np.zeros(0))
    n_trained = len(owners) if noise.per == "image" else len(np.unique(owners))
    if n_trained:  # an outside hospital has none
        _check_enough(n_trained, declared_patients(at_site.n_declared, task.plan), noise)
    units = units_of(data, part, task.plan)
    multiplier = scoring_multiplier(noise)
    key = _question_key(at_site, task, model, units, device)
    at_site.charge(_name_of(key), Cost("held out", 1.0, multiplier, 1))
    stream = SecretStream(key, "scores")
    logits, targets = torch.zeros(0, task.plan.task.n_outputs), images.targets
    if len(images):  # that there is nobody is a secret too
        logits, targets = score(trunk_of(model, images), images, task.plan, device)
    counts = noisy_counts(logits, targets, units, task.plan, multiplier, stream)
    return replace(result, score_counts=counts)


def _noise(plan: Plan) -> Noise:
    assert plan.privacy.noise is not None
    return plan.privacy.noise


def _question_key(
    at_site: NoiseAtSite,
    task: TrainTask,
    model: Network,
    units: Units,
    device: torch.device,
    n_declared: int = 0,
) -> bytes:
    """Make the key from all that an answer follows from; layers that stay here are weights too."""
    given = (weights_digest(model.state_dict()), weights_digest(task.server_state))
    asked = (task.kind, task.round, *given, units.digest, _kind_of(device), n_declared)
    return question_key(at_site.secret, task.plan, *asked)


def _kind_of(device: torch.device) -> str:
    """Name what computes: another one rounds otherwise, so it is another question."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _name_of(key: bytes) -> str:
    """Name a question in the privacy ledger: another secret makes it another question."""
    return derived_key(key, "name").hex()


def _check_enough(n_patients: int, n_declared: int, noise: Noise) -> None:
    if n_patients < noise.least_patients:
        raise DataError(
            f"{n_patients} patients to train on here, and the plan's noise is computed for "
            f"{noise.least_patients} (privacy.noise.least_patients)",
            todo="take part with more patients, or agree on a plan for fewer",
            data="nothing was trained, and nothing was charged",
        )
    if n_declared < noise.least_patients:
        raise DataError(
            f"site.yaml says data.patients: {n_declared}, and the plan asks for "
            f"{noise.least_patients} (privacy.noise.least_patients)",
            todo="raise data.patients if it is too low, or leave it out",
            data="nothing was trained, and nothing was charged",
        )
