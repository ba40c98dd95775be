from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import ConfigRecord, RecordDict
from tests.conftest import MakePlan

from medfl_client.config.identity import create_identity, signing_key
from medfl_common.errors import RunError
from medfl_common.metrics.clusters import SCORES, DesignEffects
from medfl_common.metrics.counts import N_BINS, ScoreCounts
from medfl_common.metrics.feature_moments import moments_of
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.results import TrainResult, encode_result, plan_number
from medfl_common.wire.signature import seal
from medfl_common.wire.tasks import TrainTask
from medfl_server.aggregation.admission import Known, admit, norm_limit
from medfl_server.roster.enrolment import Enrolled

SHAPES = {"w": (2, 2), "b": (3,)}
UPDATE = {"w": torch.ones(2, 2), "b": torch.zeros(3)}
CURVE = np.zeros((1, N_BINS), dtype=np.int64)
BIGGER = {**UPDATE, "w": 2 * UPDATE["w"]}
TALLY = ScoreCounts(4, 0.5, np.array([[2, 0], [1, 1]]), CURVE, CURVE)


def task(plan: Plan) -> TrainTask:
    return TrainTask("train", "0" * 32, 2, 77, "north", plan, {})


def good(plan: Plan) -> TrainResult:
    return TrainResult(
        plan_number(plan), 2, 77, n_images=9, n_steps=2, score_counts=TALLY, update=UPDATE
    )


def test_a_good_reply_is_admitted_whole(plan: Plan) -> None:
    found = admit(encode_result(good(plan)), task(plan), SHAPES)

    assert found.n_images == 9
    assert torch.equal((found.update or {})["w"], UPDATE["w"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nonce": 78}, "another plan, round or request"),
        ({"round": 1}, "another plan, round or request"),
        ({"plan": 1}, "another plan, round or request"),
        ({"update": None}, "no update"),
        ({"update": {"w": torch.ones(2, 2)}}, r"float32 \(7,\) were expected"),
        ({"update": {**UPDATE, "b": torch.tensor([1.0, torch.inf, 0.0])}}, "NaN or an infinity"),
        ({"n_images": 0}, "n_images is 0"),
        ({"n_steps": 0}, "n_steps is 0"),
        ({"n_steps": 10}, "n_steps is 10; 1 to 9"),
        ({"n_images": -300}, "n_images is -300"),
        ({"n_images": 10**18}, "n_images is 1000000000000000000"),
        ({"train_loss": float("nan")}, "NaN or an infinity"),
        ({"score_counts": replace(TALLY, n=5)}, "do not add up"),
        (
            {"score_counts": replace(TALLY, confusion=np.array([[9, -5], [0, 0]]))},
            "other than counts",
        ),
    ],
)
def test_a_reply_that_is_not_what_was_asked_for_is_quarantined(
    change: dict[str, object], message: str, plan: Plan
) -> None:
    content = encode_result(replace(good(plan), **change))

    with pytest.raises(RunError, match=message):
        admit(content, task(plan), SHAPES)


def test_a_start_loss_is_needed_where_the_strategy_weighs_sites_by_it(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(federation={"strategy": "qfedavg"}))
    for loss in (None, -1.0):
        with pytest.raises(RunError, match=f"start_loss is {loss}"):
            admit(encode_result(replace(good(plan), start_loss=loss)), task(plan), SHAPES)
    content = encode_result(replace(good(plan), start_loss=0.0))
    assert admit(content, task(plan), SHAPES).start_loss == 0.0


def enrolled(folder: Path) -> Enrolled:
    return Enrolled(*(" ".join(line.split()[:2]) for line in create_identity(folder, "north")), 50)


def test_a_reply_is_admitted_only_with_the_sites_signature_for_this_request(
    plan: Plan, tmp_path: Path
) -> None:
    site, asked = enrolled(tmp_path), task(plan)
    key, digest, other_weights = signing_key(tmp_path), "1" * 64, "2" * 64
    sealed = seal(encode_result(good(plan)), digest, key)
    assert admit(sealed, asked, SHAPES, site, known=Known(digest=digest)).n_images == 9

    changed = seal(encode_result(good(plan)), digest, key)
    changed["update"] = encode_result(replace(good(plan), update=BIGGER))["update"]
    replayed = seal(encode_result(good(plan)), other_weights, key)
    other = seal(encode_result(good(plan)), digest, Ed25519PrivateKey.generate())
    bound_to_none = seal(encode_result(good(plan)), "", key)
    unsigned = encode_result(good(plan))
    for content in (changed, replayed, other, bound_to_none, unsigned):
        with pytest.raises(RunError, match="not signed with the key"):
            admit(content, asked, SHAPES, site, known=Known(digest=digest))
    unread = seal(encode_result(TrainResult(0, 0, 0, code=500, incident=1)), "", key)
    assert admit(unread, asked, SHAPES, site, known=Known(digest=digest)).code == 500


def test_weight_and_norm_are_within_what_the_site_and_the_last_rounds_make_likely(
    plan: Plan, tmp_path: Path
) -> None:
    site = replace(enrolled(tmp_path), max_images=8)
    key = signing_key(tmp_path)
    with pytest.raises(RunError, match="n_images is 9; 1 to 8"):
        admit(seal(encode_result(good(plan)), "", key), task(plan), SHAPES, site)

    weights = {"w": torch.ones(2, 2), "norm.running_var": torch.full((3,), 1e6)}
    assert norm_limit(weights, [], 30) == 20.0  # ten times the weights' norm 2
    assert norm_limit(weights, [0.1, 0.1, 0.2], 30) == pytest.approx(3.0)
    at_rest = norm_limit(weights, [0.0, 0.0, 0.0], 30)  # a hospital with one class has learnt it
    assert at_rest == pytest.approx(0.002)
    assert admit(encode_result(good(plan)), task(plan), SHAPES, None, 2.0).n_images == 9
    with pytest.raises(RunError, match=r"its norm is 2, 1\.9 is the most"):
        admit(encode_result(good(plan)), task(plan), SHAPES, None, 1.9)


def note(content: RecordDict) -> None:
    content["note"] = ConfigRecord({"name": "DOE^JOHN"})


def text(content: RecordDict) -> None:
    del content.metric_records["numbers"]["n_images"]


def protocol(content: RecordDict) -> None:
    content.metric_records["numbers"]["protocol"] = 1


@pytest.mark.parametrize("damage", [note, text, protocol, RecordDict.clear])
def test_a_reply_of_another_form_is_quarantined(
    damage: Callable[[RecordDict], None], plan: Plan
) -> None:
    content = encode_result(good(plan))
    damage(content)

    with pytest.raises(RunError):
        admit(content, task(plan), SHAPES)


def test_a_code_is_admitted_even_if_the_site_could_not_read_the_task(plan: Plan) -> None:
    failed = TrainResult(0, 0, 0, code=500, incident=123456789)

    assert admit(encode_result(failed), task(plan), SHAPES).code == 500


def scored(plan: Plan, **changes: object) -> RecordDict:
    found = TrainResult(plan_number(plan), 2, 77, score_counts=TALLY)
    return encode_result(replace(found, **changes))  # type: ignore[arg-type]


def test_design_effects_and_features_that_cannot_be_are_quarantined(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(evaluation={"feature_statistics": True}))
    asked = TrainTask("evaluate", "0" * 32, 2, 77, "north", plan, {})
    seen = moments_of(np.random.default_rng(0).normal(size=(40, 64)))
    n = len(SCORES) + 1
    told = DesignEffects(np.full(n, 2.5), np.full(n, 3))

    found = admit(
        scored(plan, features=seen, score_counts=replace(TALLY, clusters=told)), asked, SHAPES
    )

    assert found.features is not None
    assert found.features.to_numbers() == seen.to_numbers()
    assert found.score_counts is not None
    effects = found.score_counts.clusters
    assert isinstance(effects, DesignEffects)
    assert (effects.values.tolist(), effects.n_patients) == ([2.5] * n, 3)
    without = admit(scored(plan), asked, SHAPES).score_counts  # of an earlier client
    assert without is not None
    assert without.clusters is None
    for bad, why in (
        ({"features": replace(seen, n=10**9)}, "are not possible"),
        ({"features": replace(seen, n=0)}, "no moments"),
        ({"features": replace(seen, mean=seen.mean * 1e20)}, "no moments"),
        ({"features": replace(seen, covariance=-seen.covariance)}, "a variance is negative"),
        ({"score_counts": replace(TALLY, clusters=replace(told, values=told.values / 4))},
         "effect is below 1"),
        ({"score_counts": replace(TALLY, clusters=replace(told, patients=told.patients + 2))},
         "5 patients of 4 images"),
    ):  # fmt: skip
        with pytest.raises(RunError, match=why):
            admit(scored(plan, **bad), asked, SHAPES)
