"""Noisy counts of held-out patients: how far one moves them, and what follows from them."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import MakePlan
from tests.noisy import noisy

from medfl_client.training.draw_units import Units
from medfl_client.training.evaluate import count_scores
from medfl_client.training.noisy_scores import _whole, noisy_counts
from medfl_common.metrics.counts import ScoreCounts, auc, bin_places
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.privacy.random_stream import SecretStream
from medfl_common.wire.tasks import TrainTask
from medfl_server.aggregation.invariants import check_numbers

KINDS = {
    "binary": ["normal", "opacity"],
    "multiclass": ["a", "b", "c"],
    "multilabel": ["a", "b", "c"],
}


class Still(SecretStream):
    """Noise that is 0, to see the exact tables through the same code."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def normal(self, n: int) -> Any:
        self.sizes.append(n)
        return np.zeros(n)


def plan_of(make_plan: MakePlan, kind: str, **evaluation: object) -> Plan:
    sections = noisy()
    sections["evaluation"] |= evaluation
    if kind == "multilabel":
        sections["evaluation"] |= {"metric": "auc"}
    return load_plan(make_plan(task={"type": kind, "classes": KINDS[kind]}, **sections))


def scored(plan: Plan, n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Give logits that know a little of the targets; of several findings some are unknown."""
    rng, k = np.random.default_rng(seed), plan.task.n_outputs
    if plan.task.is_one_of_many:
        targets = torch.nn.functional.one_hot(torch.from_numpy(rng.integers(0, k, n)), k).float()
    else:
        targets = torch.from_numpy(rng.integers(0, 2, (n, k))).float()
    logits = torch.from_numpy(rng.normal(0, 1.5, (n, k))).float() + 2 * targets - 1
    if k > 1 and not plan.task.is_one_of_many:
        targets[::7, 0] = torch.nan
    return logits, targets


def singles(n: int) -> Units:
    return Units(tuple(f"p{i}" for i in range(n)), tuple(np.array([i]) for i in range(n)), "")


@pytest.mark.parametrize("kind", KINDS)
def test_without_noise_the_counts_are_those_of_the_scores(make_plan: MakePlan, kind: str) -> None:
    plan = plan_of(make_plan, kind)
    logits, targets = scored(plan, 300)

    found = noisy_counts(logits, targets, singles(300), plan, 1.0, Still())

    exact = count_scores(logits, targets, plan)
    assert found is not None
    assert np.array_equal(found.confusion, exact.confusion)
    for own, whole in ((found.positive, exact.positive), (found.negative, exact.negative)):
        coarse = whole.reshape(len(whole), 16, 8).sum(axis=2)
        assert np.array_equal(own[:, bin_places(16)], coarse)
    assert abs((auc(found) or 0) - (auc(exact) or 0)) < 0.02
    assert abs(found.loss - exact.loss) < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_one_patient_moves_all_tables_by_no_more_than_the_noise_is_made_for(
    make_plan: MakePlan, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(make_plan, kind)
    logits, targets = scored(plan, 12)
    seen: list[np.ndarray] = []
    monkeypatch.setattr(
        "medfl_client.training.noisy_scores._whole", lambda row: seen.append(row) or _whole(row)
    )

    def tables(units: Units, chosen: slice) -> np.ndarray:
        seen.clear()
        noisy_counts(logits[chosen], targets[chosen], units, plan, 1.0, Still())
        return np.concatenate(seen)

    several = Units(("p", "q"), (np.arange(5), np.arange(5, 12)), "")
    one = Units(("p",), (np.arange(5),), "")
    moved = np.linalg.norm(tables(several, slice(0, 12)) - tables(one, slice(0, 5)))

    n_tables = {"binary": 1, "multiclass": 4, "multilabel": 3}[kind]
    assert 0 < moved <= np.sqrt(n_tables) + 1e-9
    alike = logits.clone()
    alike[:], targets[:] = logits[1], targets[1]
    logits = alike
    largest = np.linalg.norm(tables(several, slice(0, 12)) - tables(one, slice(0, 5)))
    assert largest == pytest.approx(np.sqrt(n_tables))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("multiplier", [0.5, 5.0, 50.0])
def test_noisy_counts_are_counts_and_a_coordinator_admits_them(
    make_plan: MakePlan, kind: str, multiplier: float
) -> None:
    from medfl_common.wire.results import TrainResult

    plan = plan_of(make_plan, kind)
    logits, targets = scored(plan, 60)
    task = TrainTask("test", "0" * 32, 3, 0, "a", plan, {})

    for i in range(20):
        stream = SecretStream(bytes(32), "scores", i)
        found = noisy_counts(logits, targets, singles(60), plan, multiplier, stream)
        if found is not None:
            check_numbers(TrainResult(0, 3, 0, score_counts=found), task, 10_000)


def test_a_threshold_within_a_bin_is_held(make_plan: MakePlan) -> None:
    plan = plan_of(make_plan, "binary", threshold=0.3)
    logits, targets = scored(plan, 500)

    found = noisy_counts(logits, targets, singles(500), plan, 1.0, Still())

    assert found is not None
    assert np.array_equal(found.confusion, count_scores(logits, targets, plan).confusion)


def test_the_noise_is_as_large_as_was_said(make_plan: MakePlan) -> None:
    plan = plan_of(make_plan, "binary")
    logits, targets = scored(plan, 4000)
    exact = noisy_counts(logits, targets, singles(4000), plan, 1.0, Still())

    def off(found: ScoreCounts | None) -> float:
        assert found is not None
        assert exact is not None
        return float(found.positive.sum() - exact.positive.sum())

    streams = (SecretStream(bytes(32), "scores", i) for i in range(200))
    differences = [
        off(noisy_counts(logits, targets, singles(4000), plan, 3.0, stream)) for stream in streams
    ]

    assert np.std(differences) == pytest.approx(3.0 * 4, rel=0.2)  # of 16 bins together
    assert abs(np.mean(differences)) < 3


def test_whole_counts_keep_the_total_and_none_is_below_0() -> None:
    found = _whole(np.array([5.4, -3.2, 2.3, 0.1]))

    assert found.sum() == 5
    assert found.min() >= 0
    assert found.tolist() == [4, 0, 1, 0]
    assert _whole(np.array([-1.0, -5.0])).tolist() == [0, 0]
