"""A one-run audit of the noise as medfl adds it: what is told holds, and planted faults are found.

Steinke, Nasr, Jagielski: Privacy Auditing with One (1) Training Run. NeurIPS 2023.
https://arxiv.org/abs/2305.08846. Each canary is a patient whose gradient is one weight's alone, as
long as the clip; a secret coin says whether it is there. The auditor sees the update, and guesses.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.conftest import MakePlan
from torch import nn

from medfl_client.training.draw_units import Units, weights_digest
from medfl_client.training.frozen_features import FeatureSet
from medfl_client.training.objectives import ClientContext, objective_class
from medfl_client.training.private_train import Draws, question_key, train_privately
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.privacy.accountant import multiplier_for
from medfl_common.privacy.random_stream import SecretStream

CPU = torch.device("cpu")
M, DRAW, DECLARED, STEPS, DELTA = 600, 256, 941, 60, 1e-4
LENGTH = 100.0  # of an input: gradients are far above the clip
RUNS = range(3)  # whose median counts
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Study:
    """What is told, and by what it is made."""

    plan: Plan
    told: float  # epsilon
    n_declared: int = DECLARED

    def answer(self, key: bytes, is_in: NDArray[np.bool_], at: float = 0.0) -> Vector:
        """Train from weights that are all `at`; give the sums that the update holds, in clips."""
        model = nn.Linear(M, 1, bias=False)
        nn.init.constant_(model.weight, at)
        places = np.flatnonzero(is_in)
        inputs = FeatureSet(LENGTH * torch.eye(M)[None, places], torch.ones(len(places), 1))
        units = Units(tuple(map(str, places)), tuple(np.arange(len(places))[:, None]), "")
        trunk = Network(nn.Identity(), M, 1)
        trunk.head = model
        context = ClientContext(self.plan, self.plan.training.lr, trunk, {}, {}, {}, {})
        draws = Draws(key, self.n_declared)
        train_privately(
            model, inputs, units, self.plan, 1, objective_class(self.plan)(context), CPU, draws
        )
        moved = (model.weight.detach().double() - at).numpy()[0]
        found: Vector = moved * DRAW / self.plan.training.lr
        return found

    def noise(self, key: bytes) -> Vector:
        """Make the noise of an answer again, as who knows its key."""
        noise = self.plan.privacy.noise
        assert noise is not None
        steps = [SecretStream(key, "noise", step).normal(M) for step in range(noise.steps)]
        added: Vector = -noise.multiplier * np.sum(steps, axis=0)
        return added

    def with_noise(self, **changes: float) -> "Study":
        noise = self.plan.privacy.noise
        assert noise is not None
        privacy = self.plan.privacy.model_copy(update={"noise": noise.model_copy(update=changes)})
        return replace(self, plan=self.plan.model_copy(update={"privacy": privacy}))


@pytest.fixture(params=[1.0, 3.0])
def study(request: pytest.FixtureRequest, make_plan: MakePlan) -> Study:
    told = float(request.param)
    multiplier = multiplier_for(told, DELTA, DRAW / DECLARED, STEPS)
    noise = {
        "epsilon": told * 1.001, "delta": DELTA, "draw": DRAW, "steps": STEPS,
        "multiplier": multiplier, "least_patients": DECLARED,
    }  # fmt: skip
    path = make_plan(
        federation={"rounds": 1},
        training={"lr": 2.0**-6, "momentum": 0.0, "batch_size": 1024},
        evaluation={"keep": "last"},
        privacy={"noise": noise},
    )
    return Study(load_plan(path), told)


def coins_of(run: int) -> NDArray[np.bool_]:
    return np.random.default_rng(run).random(M) < 0.5


def key_of(run: int) -> bytes:
    return bytes([run]) * 32


def lower_bound(signal: Vector, is_in: NDArray[np.bool_]) -> float:
    """Give the epsilon that an auditor's guesses refute with 95 % confidence; delta is left out.

    The surest guesses count, of so many numbers of them that the chance of an error is shared.
    """
    order, most = np.argsort(-signal), (5, 10, 20, 40, 80, M // 4)
    found = 0.0
    for n in most:
        right = int(is_in[order[:n]].sum() + (~is_in[order[-n:]]).sum())
        found = max(found, _refuted(2 * n, right, 0.05 / len(most)))
    return found


def _refuted(n: int, right: int, chance: float) -> float:
    """Give the largest epsilon at which so many right guesses have less than a chance."""
    from scipy.stats import binom

    grid = np.linspace(0, 12, 2401)
    likely = binom.sf(right - 1, n, 1 / (1 + np.exp(-grid)))
    return float(grid[likely <= chance].max(initial=0.0))


def median(signals: list[Vector]) -> float:
    bounds = [lower_bound(s, coins_of(r)) for r, s in zip(RUNS, signals, strict=True)]
    return float(np.median(bounds))


def test_the_told_epsilon_holds(study: Study) -> None:
    signals = [study.answer(key_of(run), coins_of(run)) for run in RUNS]

    assert max(lower_bound(s, coins_of(r)) for r, s in zip(RUNS, signals, strict=True)) < study.told


def test_a_quarter_of_the_noise_is_found(study: Study) -> None:
    noise = study.plan.privacy.noise
    assert noise is not None
    faulty = study.with_noise(multiplier=noise.multiplier / 4)

    assert median([faulty.answer(key_of(r), coins_of(r)) for r in RUNS]) > study.told


def test_noise_that_the_coordinator_can_make_again_is_found(study: Study) -> None:
    signals = [study.answer(key_of(r), coins_of(r)) - study.noise(key_of(r)) for r in RUNS]

    assert median(signals) > study.told


def test_steps_without_draws_are_found(study: Study) -> None:
    faulty = replace(study, n_declared=DRAW)  # everybody is in every step

    assert median([faulty.answer(key_of(r), coins_of(r)) for r in RUNS]) > study.told


def test_noise_that_is_not_renewed_for_other_weights_is_found(study: Study) -> None:
    """The round again, with weights at which canaries have no gradient: only the noise is left."""
    multiplier = multiplier_for(study.told, DELTA, DRAW / DECLARED, 2 * STEPS)
    both = study.with_noise(multiplier=multiplier)  # two answers make the epsilon, and are charged

    def twice(run: int, key_at: dict[float, bytes]) -> Vector:
        first, again = (both.answer(key_at[at], coins_of(run), at) for at in (0.0, 1.0))
        return first - again

    def renewed(run: int) -> dict[float, bytes]:
        return {
            at: question_key(key_of(run), both.plan, "train", 1, weights_digest(
                {"w": torch.full((1, M), at)}), "data")
            for at in (0.0, 1.0)
        }  # fmt: skip

    faulty = [twice(run, dict.fromkeys((0.0, 1.0), key_of(run))) for run in RUNS]

    assert median(faulty) > study.told
    assert median([twice(run, renewed(run)) for run in RUNS]) < study.told
