"""No number of a reply is admitted that cannot be true, and no model that is not finite is kept."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from flwr.app import RecordDict
from tests.conftest import MakePlan

from medfl_common.errors import RunError
from medfl_common.metrics.counts import N_BINS, ScoreCounts
from medfl_common.metrics.site_statistics import SiteStatistics, lengths
from medfl_common.models.weights import Weights
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.events import RoundMade, RoundWithoutQuorum
from medfl_common.wire.results import TrainResult, encode_result, plan_number
from medfl_common.wire.tasks import TrainTask, decode_task_head
from medfl_server.aggregation.admission import Known, admit
from medfl_server.aggregation.aggregator import BrokenRoundError, RoundAggregation
from medfl_server.rounds import loop
from medfl_server.rounds.loop import RoundLoop
from medfl_server.rounds.paused import PausedError
from medfl_server.study.initial_weights import initial_weights
from medfl_server.study.run_directory import Study, create_study
from medfl_server.superlink.transport import Arrival, ConnectedSite, Post

SHAPES = {"w": (2,), "bn.running_mean": (2,), "bn.running_var": (2,)}
WEIGHTS = {name: torch.ones(2) for name in SHAPES}
UPDATE = {name: torch.zeros(2) for name in SHAPES}


def curve(n: int) -> np.ndarray:
    return np.array([[n] + [0] * (N_BINS - 1)])


SCORED = ScoreCounts(4, 0.5, np.array([[2, 0], [1, 1]]), curve(2), curve(2))
NONE = {name: (0,) * n for name, n in lengths(2).items()}
COUNTED = SiteStatistics(samples=9, patients=9, left_out=0, **{**NONE, "classes": (4, 5)})


def moved(name: str, value: float) -> dict[str, object]:
    return {"update": {**UPDATE, name: torch.tensor([0.0, value])}}


def judged(plan: Plan, kind: str = "train", known: Known | None = None, **change: object) -> str:
    """Say why a reply with a change is not admitted; empty: it is."""
    good = TrainResult(
        plan_number(plan), 2, 77, n_images=100, n_steps=9, seconds=1.0, train_loss=0.4,
        score_counts=SCORED, update=UPDATE,
    )  # fmt: skip
    task = TrainTask(kind, "0" * 32, 2, 77, "north", plan, {})  # type: ignore[arg-type]
    content = encode_result(replace(good, **change))
    try:
        admit(content, task, SHAPES, known=known or Known(None, WEIGHTS))
    except RunError as error:
        return str(error)
    return ""


def scored(**change: object) -> dict[str, object]:
    return {"score_counts": replace(SCORED, **change)}


WHOLE = 10**7 * np.array([[2, 0], [1, 1]])
CASES: dict[str, tuple[dict[str, object], str]] = {
    "n_images": ({"n_images": 2**62}, "n_images is 4611686018427387904"),
    "n_steps": ({"n_steps": -1}, "n_steps is -1"),
    "scored": (scored(n=4 * 10**7, confusion=WHOLE), "n_scored is 40000000; 1 to 33433"),
    "seconds": ({"seconds": -1.0}, "seconds is -1"),
    "years": ({"seconds": 1e300}, "seconds is 1e"),
    "train loss": ({"train_loss": -0.5}, "train_loss is -0.5"),
    "loss": (scored(loss=-0.5), "loss is -0.5"),
    "huge train loss": ({"train_loss": 1.7e308}, "train_loss is 1.7e"),
    "huge loss": (scored(loss=1.7e308), "loss is 1.7e"),
    "AUC": ({"exact_auc": 1.5}, "exact_auc is 1.5; 0 to 1"),
    "histogram": (scored(positive=curve(3)), "histogram of scores counts more"),
    "cells": (scored(confusion=2**40 * np.eye(2, dtype=int)), "other than counts"),
    "mean": (moved("bn.running_mean", 3e38), r"running statistic is 3e\+38; 1e\+03"),
    "variance": (moved("bn.running_var", -2.0), "running variance is -1, less than 0"),
    "code": ({"code": 10**6, "incident": 1}, "code or incident"),
    "incident": ({"code": 500, "incident": -1}, "code or incident"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_number_that_cannot_be_true_is_not_admitted(name: str, plan: Plan) -> None:
    change, message = CASES[name]

    assert judged(plan) == ""
    with pytest.raises(RunError, match=message):
        raise RunError(judged(plan, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, ""),
        ({"patients": 10}, "10 patients"),
        ({"samples": -1, "patients": -1}, "fewer than none"),
        ({"classes": (9, 9)}, "classes counts more than the 9 samples"),
        ({"ages": (0, 0, 10, 0, 0, 0)}, "ages counts more"),
        ({"greys": (200_000,) * lengths(2)["greys"]}, "greys has more"),
        ({"left_out": 10**9}, "left_out is"),
    ],
)
def test_statistics_count_no_more_than_the_samples(
    change: dict[str, object], message: str, plan: Plan
) -> None:
    told = replace(COUNTED, **change)

    why = judged(plan, "describe", statistics=told, update=None, score_counts=None, n_images=0)

    assert (message in why) if message else why == ""


def test_a_last_scoring_is_held_against_what_the_site_trained_on(plan: Plan) -> None:
    big = {**scored(n=4 * 10**7, confusion=WHOLE), "n_images": 0, "update": None}

    assert judged(plan, "evaluate", Known(100), **big).startswith("n_scored is 40000000")
    assert judged(plan, "evaluate", Known(10**7), **big) == ""


def test_a_model_that_is_not_finite_is_no_result_and_its_cause_is_named(plan: Plan) -> None:
    aggregation = RoundAggregation(plan, WEIGHTS)
    huge = {**UPDATE, "w": torch.tensor([0.0, 3e38])}
    for site, update in (("north", UPDATE), ("south", huge)):
        aggregation.add(site, TrainResult(0, 1, 0, n_images=9, n_steps=1, update=update))

    with pytest.raises(BrokenRoundError, match=r"largest value of the round, 3e\+38") as raised:
        aggregation.finish()

    assert raised.value.site == "south"


class Letters(Post):
    """Every site answers at once with the same value in its whole update."""

    def __init__(self, study: Study, values: Mapping[str, float]) -> None:
        super().__init__(None, self.connected_sites, lambda: dict.fromkeys(values), 60.0)  # type: ignore[arg-type]
        model, start = initial_weights(study)
        self._start: Weights = {name: start[name] for name in model.names("shared")}
        self._values, self._tasks = values, dict[str, RecordDict]()

    def connected_sites(self) -> Mapping[str, ConnectedSite]:
        return {site: ConnectedSite(node, "here") for node, site in enumerate(self._values)}

    def send(self, to: ConnectedSite, content: RecordDict, round_: int) -> str:
        self._tasks[name := [*self._values][to.node]] = content
        return name

    def fetch(self, message_id: str) -> Arrival:
        task, value = decode_task_head(self._tasks[message_id]), self._values[message_id]
        update = {name: torch.full_like(t, value) for name, t in self._start.items()}
        ids = (plan_number(task.plan), task.round, task.nonce)
        return Arrival(encode_result(TrainResult(*ids, n_images=9, n_steps=1, update=update)))


def test_a_round_without_a_finite_model_does_not_count(
    tmp_path: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "norm_limit", lambda *anything: float("inf"))
    changes = {"statistics": False, "empty_rounds": 2, "min_sites": 1}
    study = create_study(tmp_path / "run", make_plan(federation=changes))
    assert load_plan(tmp_path / "plan.yaml").federation.empty_rounds == 2
    post, told = Letters(study, {"north": 0.0, "south": 3e38}), list[str]()

    with pytest.raises(PausedError):
        RoundLoop(study, post, told.append, lambda progress: None).run()

    empty = study.log.read(RoundWithoutQuorum)
    assert [*empty[0].quarantined] == ["south"]
    assert len(empty) == 2
    assert study.log.read(RoundMade) == []
    assert any("round 1: south: the round would make a model with a NaN" in line for line in told)
