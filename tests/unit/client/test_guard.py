from dataclasses import replace

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.conftest import MakePlan

from medfl_client.config.site_file import Policy
from medfl_client.egress.guard import permit, release, sign
from medfl_common.errors import DisclosureError
from medfl_common.metrics.clusters import PatientImages
from medfl_common.metrics.counts import N_BINS, ScoreCounts, bin_places, histogram
from medfl_common.metrics.counts import auc as counts_auc
from medfl_common.metrics.feature_moments import moments_of
from medfl_common.metrics.membership import counted as membership_counted
from medfl_common.metrics.site_statistics import SiteStatistics, lengths
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.ledger_statement import LastLine
from medfl_common.wire.membership_numbers import MEMBERSHIP
from medfl_common.wire.results import TrainResult, plan_number
from medfl_common.wire.tasks import Kind, TrainTask

UPDATE = {"w": torch.ones(2, 2)}
SHAPES = {"w": (2, 2)}


def task(plan: Plan) -> TrainTask:
    return TrainTask("train", "0" * 32, 1, 99, "north", plan, {})


def result(plan: Plan, confusion: list[list[int]]) -> TrainResult:
    counts = np.array(confusion)
    curve = np.zeros((1, N_BINS), dtype=np.int64)
    score_counts = ScoreCounts(int(counts.sum()), 0.5, counts, curve, curve)
    return TrainResult(
        plan_number(plan),
        1,
        99,
        n_images=50,
        score_counts=score_counts,
        exact_auc=0.9,
        update=UPDATE,
    )


def test_scores_of_a_class_below_the_smallest_cell_stay_and_the_update_goes(plan: Plan) -> None:
    small = result(plan, [[30, 2], [4, 5]])  # 9 images of the second class

    reply = release(small, task(plan), Policy(min_cell=10), SHAPES)

    numbers = reply.metric_records["numbers"]
    assert not {"n_scored", "loss", "confusion", "positive", "negative", "exact_auc"} & set(numbers)
    assert "update" in reply


def test_no_bin_tells_of_a_few_images_rounds_have_32_bins_and_losses_three_digits(
    plan: Plan,
) -> None:
    rng = np.random.default_rng(0)
    exact = replace(result(plan, [[60, 20], [5, 15]]), train_loss=0.123456)
    curves = [histogram(rng.normal(mean, 1.5, n))[None] for mean, n in ((1, 20), (-1, 80))]
    counts = ScoreCounts(100, 0.98765, exact.score_counts.confusion, *curves)  # type: ignore[union-attr]
    exact = replace(exact, score_counts=counts)
    for kind, n_bins in (("train", 32), ("evaluate", 128)):
        asked = replace(task(plan), kind=kind)  # type: ignore[arg-type]
        given = exact if kind == "train" else replace(exact, update=None, n_images=0)

        numbers = release(given, asked, Policy(min_cell=10), SHAPES).metric_records["numbers"]

        positive, negative = (np.array(numbers[name]) for name in ("positive", "negative"))
        images = positive + negative
        assert (positive.sum(), negative.sum()) == (20, 80)
        assert images[images > 0].min() >= 10
        assert not np.delete(images, bin_places(n_bins)).any()
        assert (numbers["train_loss"], numbers["loss"]) == (0.123, 0.988)
        assert "exact_auc" not in numbers
        found = counts_auc(replace(counts, positive=positive[None], negative=negative[None]))
        assert found == pytest.approx(counts_auc(counts), abs=0.03)


def test_scores_of_large_or_absent_classes_go(plan: Plan) -> None:
    for confusion in ([[30, 2], [4, 6]], [[40, 0], [0, 0]]):
        reply = release(result(plan, confusion), task(plan), Policy(min_cell=10), SHAPES)

        assert reply.metric_records["numbers"]["n_scored"] == sum(map(sum, confusion))


@pytest.mark.parametrize(
    ("change", "policy", "message"),
    [
        (
            {"n_images": 19},
            Policy(),
            r"on 19 images, 20 are the fewest \(policy P4, min_images\)",
        ),
        ({"update": {"w": torch.full((2, 2), torch.nan)}}, Policy(), "NaN"),
        ({"update": {"w": torch.ones(3)}}, Policy(), "other tensors"),
        ({"update": UPDATE | {"patients": torch.ones(1)}}, Policy(), "other tensors"),
        ({"train_loss": float("nan")}, Policy(), "NaN or an infinity"),
        ({"nonce": 98}, Policy(), "does not belong"),
        ({}, Policy(max_message_mb=0.0001), r"\(policy P9, max_message_mb\)"),
        ({}, Policy(max_mb_a_day=0.0001), r"\(policy P10, max_mb_a_day\)"),
    ],
)
def test_what_is_not_listed_does_not_leave(
    change: dict[str, object], policy: Policy, message: str, plan: Plan
) -> None:
    changed = replace(result(plan, [[40, 0], [0, 40]]), **change)

    with pytest.raises(DisclosureError, match=f"{message}.*nothing was sent"):
        release(changed, task(plan), policy, SHAPES)


def test_a_finding_that_few_images_have_keeps_the_scores_back(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(task={"type": "multilabel"}))
    for few, is_sent in (([[30, 1], [5, 5]], True), ([[35, 1], [4, 5]], False)):
        both = replace(result(plan, [[1]]), score_counts=None)
        counts = np.array([[[20, 3], [9, 9]], few])  # absent and present, of two findings
        curve = np.zeros((2, N_BINS), dtype=np.int64)
        reply = release(
            replace(both, score_counts=ScoreCounts(41, 0.5, counts, curve, curve), exact_auc=None),
            task(plan), Policy(min_cell=10), SHAPES,
        )  # fmt: skip
        assert ("n_scored" in reply.metric_records["numbers"]) == is_sent


def statistics(plan: Plan) -> TrainResult:
    lists = {name: (0,) * n for name, n in lengths(2).items()} | {"classes": (33, 7)}
    counts = SiteStatistics(samples=40, patients=31, left_out=3, **lists)  # type: ignore[arg-type]
    return TrainResult(plan_number(plan), 0, 99, statistics=counts)


def test_statistics_leave_without_small_counts_where_plan_and_policy_allow(plan: Plan) -> None:
    asked = replace(task(plan), kind="describe", round=0)

    numbers = release(statistics(plan), asked, Policy(), {}).metric_records["numbers"]

    assert numbers["data_samples"] == 40
    assert numbers["data_left_out"] == 0
    assert numbers["data_classes"] == [0, 0]  # 7 is too few, and 33 of 40 would tell it
    for policy, message in (
        (Policy(share_statistics=False), r"policy P7, share_statistics"),
        (Policy(min_images=41), "are of 40 images"),
    ):
        with pytest.raises(DisclosureError, match=message):
            release(statistics(plan), asked, policy, {})
    with pytest.raises(DisclosureError, match="were not asked for"):
        release(statistics(plan), replace(asked, kind="evaluate"), Policy(), {})
    with pytest.raises(DisclosureError, match="the plan does not"):
        permit(plan, Policy(), "describe")


def test_policy_beats_plan_before_any_data_is_read(plan: Plan) -> None:
    with pytest.raises(DisclosureError, match=r"here: resnet18 \(policy P2, models\); no data"):
        permit(plan, Policy(models=["resnet18"]))
    with pytest.raises(
        DisclosureError, match=r"3 rounds, 2 are the most \(policy P3, max_rounds\)"
    ):
        permit(plan, Policy(max_rounds=2))
    with pytest.raises(DisclosureError, match=r"privacy\.noise.*\(policy P12, protection\)"):
        permit(plan, Policy(protection="differential_privacy"))


def test_metrics_that_the_policy_does_not_list_stay(plan: Plan) -> None:
    scored = replace(result(plan, [[40, 0], [0, 40]]), train_loss=0.7)
    for metrics, expected in (
        (["train_loss"], {"train_loss": 0.7}),
        (["scores"], {"train_loss": 0.0, "n_scored": 80}),
        (["scores", "exact_auc"], {"train_loss": 0.0, "n_scored": 80}),  # of earlier versions
    ):
        reply = release(scored, task(plan), Policy(metrics=metrics), SHAPES)

        numbers = reply.metric_records["numbers"]
        kinds = {"train_loss", "n_scored", "exact_auc"}
        assert {name: numbers[name] for name in kinds & set(numbers)} == expected


def test_a_policy_without_training_losses_keeps_qfedavgs_reply_back(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(federation={"strategy": "qfedavg"}))
    asked = replace(result(plan, [[40, 0], [0, 40]]), start_loss=0.6)

    reply = release(asked, task(plan), Policy(), SHAPES)
    assert reply.metric_records["numbers"]["start_loss"] == 0.6
    with pytest.raises(DisclosureError, match=r"qfedavg needs the loss .*policy P6, metrics"):
        release(asked, task(plan), Policy(metrics=["scores"]), SHAPES)


def test_a_signature_is_eight_numbers_beside_the_ledgers_line_and_is_added_once(
    plan: Plan,
) -> None:
    key, asked = Ed25519PrivateKey.generate(), task(plan)
    last = LastLine(7, "ab" * 32)
    reply = release(result(plan, [[40, 0], [0, 40]]), asked, Policy(), SHAPES)

    signed = sign(reply, "cd" * 32, key, last)

    assert [*signed] == ["numbers", "update", "seal"]
    assert len(signed.metric_records["seal"]["signature"]) == 8  # type: ignore[arg-type]
    with pytest.raises(DisclosureError, match="signature is not of the form"):
        sign(signed, "cd" * 32, key, last)


def test_design_effects_leave_with_the_last_scorings_of_enough_patients_alone(plan: Plan) -> None:
    n, n_patients = 100, 20
    truth = np.arange(n) // 5 % 2
    cell = (truth * 2 + (np.arange(n) % 7 > 2))[:, None]
    bins = np.where(cell[:, 0] % 2, 70, 50)
    curves = (np.bincount(bins[truth == side], minlength=N_BINS)[None] for side in (1, 0))
    images = PatientImages(np.arange(n) // 5, cell, bins[:, None], truth[:, None])
    confusion = np.bincount(cell[:, 0], minlength=4).reshape(2, 2)
    scored = replace(
        result(plan, [[50, 0], [0, 50]]),
        score_counts=ScoreCounts(n, 0.5, confusion, *curves, images),
        update=None,
        n_images=0,
    )
    last = TrainTask("evaluate", "0" * 32, 1, 99, "north", plan, {})

    def told(task: TrainTask, min_cell: int) -> list[int] | None:
        kept = scored if task.is_scoring else replace(scored, update=UPDATE, n_images=50)
        reply = release(kept, task, Policy(min_cell=min_cell), SHAPES)
        return dict(reply.metric_records["numbers"]).get("clusters")  # type: ignore[return-value]

    assert told(task(plan), 10) is None  # a round
    found = told(last, 10)
    assert found is not None
    assert found[0] == n_patients
    assert all(effect == 0 or effect >= 100 for effect in found[1:])
    assert found[3] >= 100  # accuracy: of all 20 patients
    assert found[1] >= 100  # the AUC: of the 10 patients of each class
    of_many = told(last, 15)
    assert of_many is not None
    assert of_many[3] == found[3]
    assert of_many[1] == 0
    assert not any(told(last, 25) or [1])


def test_features_leave_where_plan_and_policy_ask_of_enough_images_and_in_no_round(
    make_plan: MakePlan,
) -> None:
    rng = np.random.default_rng(0)
    asks = load_plan(make_plan(evaluation={"feature_statistics": True}))
    silent = load_plan(make_plan("silent.yaml"))

    def told(kind: Kind, plan: Plan, n: int, policy: Policy) -> bool:
        seen = replace(result(plan, [[50, 0], [0, 50]]), features=moments_of(rng.random((n, 64))))
        if kind != "train":
            seen = replace(seen, update=None, n_images=0)
        reply = release(seen, TrainTask(kind, "0" * 32, 1, 99, "north", plan, {}), policy, SHAPES)
        return "features" in reply.metric_records["numbers"]

    assert told("evaluate", asks, 20, Policy())
    assert not told("evaluate", asks, 19, Policy())
    assert not told("evaluate", asks, 20, Policy(share_features=False))
    assert not told("evaluate", silent, 20, Policy())
    assert not told("train", asks, 20, Policy())
    assert not told("test", asks, 20, Policy())


def test_counts_by_membership_leave_where_plan_and_policy_ask_in_cells_and_in_no_round(
    make_plan: MakePlan,
) -> None:
    rng = np.random.default_rng(0)
    asks = load_plan(make_plan(evaluation={"membership": True}))
    silent = load_plan(make_plan("silent.yaml"))
    counts = membership_counted(rng.normal(3, 2, 60), rng.normal(1, 2, 40))

    def told(kind: Kind, plan: Plan, policy: Policy) -> list[int]:
        seen = replace(result(plan, [[50, 0], [0, 50]]), membership=counts)
        if kind != "train":
            seen = replace(seen, update=None, n_images=0)
        reply = release(seen, TrainTask(kind, "0" * 32, 1, 99, "north", plan, {}), policy, SHAPES)
        numbers = reply.metric_records["numbers"]
        return [n for name in MEMBERSHIP for n in numbers.get(name, [])]  # type: ignore[union-attr]

    cells = told("test", asks, Policy())
    assert sum(cells) == 100
    assert min(n for n in cells if n) >= 10
    assert told("train", asks, Policy()) == told("test", silent, Policy()) == []
    assert told("test", asks, Policy(metrics=["train_loss"])) == []
    assert told("test", asks, Policy(min_cell=41)) == []
