import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests.masks import mask_plan, some_cases

from medfl_client.egress.mask_rules import released_masks
from medfl_client.training.mask_scores import count_case
from medfl_common.errors import RunError
from medfl_common.metrics.mask_counts import MaskCounts, merge_masks
from medfl_common.metrics.mask_estimates import mask_scores
from medfl_common.run.site_reply import SiteReply
from medfl_common.wire.results import TrainResult, decode_result, encode_result, plan_number
from medfl_common.wire.tasks import Kind, TrainTask
from medfl_server.aggregation.admission import admit
from medfl_server.aggregation.mask_invariants import check_masks
from medfl_server.rounds.comparison import Comparison

PLAN = mask_plan(images={"size": 64})
DICE = np.random.default_rng(3).beta(9, 2, 30).round(3)


def asked(kind: Kind) -> TrainTask:
    return TrainTask(kind, "0" * 32, 1, 99, "north", PLAN, {})


def reply_of(counts: MaskCounts) -> SiteReply:
    """Give what a run log holds of it, written and read."""
    reply = SiteReply.of_work(
        n_images=1, n_steps=1, train_loss=0.1, seconds=1.0, bytes_received=1, bytes_sent=1,
        sha256="0", for_round=None, score_counts=None, exact_auc=None, groups={}, compared={},
        mask_counts=counts,
    )  # fmt: skip
    return SiteReply(json.loads(json.dumps(reply.facts)))


def with_changes(**changes: Callable[[np.ndarray], None]) -> MaskCounts:
    counts = some_cases(*DICE)
    rows = {name: getattr(counts, name).copy() for name in changes}
    for name, change in changes.items():
        change(rows[name])
    return replace(counts, **rows)


def put(place: tuple[int, ...], value: float) -> Callable[[np.ndarray], None]:
    def change(rows: np.ndarray) -> None:
        rows[place] = value

    return change


@pytest.mark.parametrize("kind", ["train", "evaluate"])
@pytest.mark.parametrize("min_cell", [1, 5, 30])
def test_what_an_honest_site_sends_is_taken(kind: Kind, min_cell: int) -> None:
    counts = released_masks(some_cases(0.0, 1.0, *DICE), min_cell, kind == "evaluate")
    assert counts is not None
    sent = TrainResult(plan_number(PLAN), 1, 99, mask_counts=counts)

    found = decode_result(encode_result(sent), {}, PLAN).mask_counts

    assert found is not None
    check_masks(found, asked(kind), 10**6)
    kept = reply_of(found).mask_counts
    assert kept is not None
    assert mask_scores(kept) == mask_scores(found)


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        (with_changes(dice=put((0, 3), 9)), "histogram of dice"),
        (with_changes(sums=put((0, 0), 30.0)), "mean of dice"),
        (with_changes(sums=put((1, 1), 1.0)), "mean of nsd"),
        (with_changes(squares=put((0, 0), 30.0)), "deviation of dice"),
        (with_changes(cases=put((0, 0), 31)), "more cases than the 30"),
        (with_changes(cases=put((0, 2), 1)), "more cases than the 30"),
        (with_changes(voxels=lambda rows: rows.fill(0)), "voxels are not of the cases"),
        (with_changes(voxels=put((0, 1), 30 * 64 * 64)), "more than 4096 voxels in a case"),
        (with_changes(lesions=put((0, 0), 40_000)), "more lesions than voxels"),
        (with_changes(lesions=put((1, 1), 60_000)), "more lesions than voxels"),
        (merge_masks([count_case({}, 0.5, 2)] * 30), "no class has a case"),
        (replace(some_cases(*DICE), n=10**9), "n_scored"),
        (replace(some_cases(*DICE), loss=-1.0), "loss"),
        (replace(some_cases(*DICE), loss=1.7e308), "loss"),
    ],
)
def test_counts_that_cannot_be_of_the_same_cases_are_refused(counts: MaskCounts, why: str) -> None:
    with pytest.raises(RunError, match=why):
        check_masks(counts, asked("evaluate"), 10**6)


def test_a_hostile_list_costs_its_site_only() -> None:
    content = encode_result(TrainResult(plan_number(PLAN), 1, 99, mask_counts=some_cases(*DICE)))
    content.metric_records["numbers"]["mask_voxels"] = [10**16] * 6

    with pytest.raises(RunError, match="mask_voxels"):
        admit(content, asked("evaluate"), {}, None)


@pytest.mark.parametrize(("metric", "best"), [("dice", 2), ("nsd", 2), ("hd95", 2), ("loss", 1)])
def test_the_best_round_is_chosen_by_the_plans_metric(metric: str, best: int) -> None:
    comparison = Comparison(mask_plan(evaluation={"metric": metric}))
    for round_, dice, far in ((1, 0.80, 4.0), (2, 0.82, 2.0), (3, 0.81, 3.0)):
        counts = some_cases(*[dice] * 12, hd95=far)
        comparison.add(round_, {"north": replace(counts, loss=float(round_))})

    found = comparison.best()

    assert found is not None
    assert found.round == best
    assert comparison.choice().is_best


def test_a_class_that_fewer_than_ten_of_all_cases_have_chooses_no_round() -> None:
    few, many = Comparison(PLAN), Comparison(PLAN)
    for comparison, n_with in ((few, 9), (many, 10)):
        for round_ in (1, 2):
            counts = [some_cases(*[0.8] * n_with), *[count_case({}, 0.5, 2)] * 40]
            comparison.add(round_, {"north": merge_masks(counts)})

    assert few.choice().why == "few_images"
    assert many.choice().is_best


def test_fewer_than_ten_cases_choose_no_round() -> None:
    comparison = Comparison(PLAN)
    for round_ in (1, 2):
        comparison.add(round_, {"north": some_cases(*[0.8] * 9)})

    assert comparison.choice().why == "few_images"
