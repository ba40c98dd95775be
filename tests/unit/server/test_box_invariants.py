import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests.boxes import box_plan, some_boxes

from medfl_client.data.boxes.listed import MAX_BOXES
from medfl_client.egress.box_rules import released_boxes
from medfl_common.errors import RunError
from medfl_common.metrics.box_counts import BoxCounts
from medfl_common.metrics.box_estimates import box_estimates, box_scores
from medfl_common.plan.dense import MOST_TRUTHS
from medfl_common.run.site_reply import SiteReply
from medfl_common.wire.results import TrainResult, decode_result, encode_result, plan_number
from medfl_common.wire.tasks import Kind, TrainTask
from medfl_server.aggregation.admission import admit
from medfl_server.aggregation.box_invariants import check_boxes
from medfl_server.rounds.comparison import Comparison

PLAN = box_plan()


def asked(kind: Kind) -> TrainTask:
    return TrainTask(kind, "0" * 32, 1, 99, "north", PLAN, {})


def reply_of(counts: BoxCounts) -> SiteReply:
    """Give what a run log holds of it, written and read."""
    reply = SiteReply.of_work(
        n_images=1, n_steps=1, train_loss=0.1, seconds=1.0, bytes_received=1, bytes_sent=1,
        sha256="0", for_round=None, score_counts=None, exact_auc=None, groups={}, compared={},
        box_counts=counts,
    )  # fmt: skip
    return SiteReply(json.loads(json.dumps(reply.facts)))


def put(name: str, place: tuple[int, ...], value: float) -> Callable[[BoxCounts], BoxCounts]:
    def change(counts: BoxCounts) -> BoxCounts:
        rows = getattr(counts, name).copy()
        rows[place] = value
        return replace(counts, **{name: rows})

    return change


@pytest.mark.parametrize("kind", ["train", "evaluate"])
@pytest.mark.parametrize("min_cell", [1, 5, 20])
def test_what_an_honest_site_sends_is_taken_and_logged(kind: Kind, min_cell: int) -> None:
    counts = released_boxes(some_boxes(90), min_cell, kind == "evaluate")
    assert counts is not None
    sent = TrainResult(plan_number(PLAN), 1, 99, box_counts=counts)

    found = decode_result(encode_result(sent), {}, PLAN).box_counts

    assert found is not None
    check_boxes(found, asked(kind), 10**6)
    reply = reply_of(found)
    assert reply.box_counts is not None
    assert reply.n_scored == 90
    assert box_estimates(reply.box_counts) == box_estimates(found)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put("hits", (0, 0, 3), 900), "more true boxes are found than there are"),
        (put("truths", (0,), 1), "true boxes are not of the images"),
        (put("images", (0, 0), 0), "true boxes are not of the images"),
        (put("images", (0, 1), 80), "more images than the 60"),
        (put("extra", (0, 0, 3), 1), "not of the images behind"),
        (put("extra", (0, 1, 3), 1), "the centres count more boxes"),
        (put("behind", (0, 3), 1), "not of the images behind"),
        (put("behind", (0, 3), 61), "more images are behind"),
        (put("effects", (0, 0), 0.5), "less than 1"),
        (lambda counts: replace(counts, images=counts.images * 0), "no class has an image"),
        (lambda counts: replace(counts, n=10**9), "n_scored"),
        (lambda counts: replace(counts, loss=-1.0), "loss"),
        (lambda counts: replace(counts, loss=np.inf), "loss"),
        (lambda counts: replace(counts, loss=1.7e308), "loss"),
        (put("truths", (0,), 10**6), "more than 1000 true boxes"),
        (put("extra", (0, 0, 100), 10**5), "more than 100 boxes of a class"),
    ],
)
def test_counts_that_cannot_be_of_the_same_images_are_refused(
    change: Callable[[BoxCounts], BoxCounts], why: str
) -> None:
    counts = some_boxes(60)
    check_boxes(counts, asked("evaluate"), 10**6)

    with pytest.raises(RunError, match=why):
        check_boxes(change(counts), asked("evaluate"), 10**6)


def test_a_round_has_neither_fine_bins_nor_effects() -> None:
    counts = released_boxes(some_boxes(60), 5, is_scoring=True)
    assert counts is not None

    with pytest.raises(RunError, match="more than 64 bins"):
        check_boxes(counts, asked("train"), 10**6)
    coarse = released_boxes(some_boxes(60), 5, is_scoring=False)
    assert coarse is not None
    with pytest.raises(RunError, match="effects are of the last"):
        check_boxes(replace(coarse, effects=counts.effects), asked("train"), 10**6)


def test_an_image_that_a_site_reads_has_no_more_boxes_than_are_admitted() -> None:
    assert MAX_BOXES == MOST_TRUTHS


@pytest.mark.parametrize("told", [[10**9], [-1], [0.5], "many"])
def test_a_hostile_list_costs_its_site_only(told: object) -> None:
    counts = released_boxes(some_boxes(60), 5, is_scoring=True)
    content = encode_result(TrainResult(plan_number(PLAN), 1, 99, box_counts=counts))
    numbers = content.metric_records["numbers"]
    n = len(numbers["box_hits"])  # type: ignore[arg-type]
    numbers["box_hits"] = [1] if told == "many" else told * n  # type: ignore[operator]

    with pytest.raises(RunError, match="box_hits"):
        admit(content, asked("evaluate"), {}, None)


@pytest.mark.parametrize(("metric", "best"), [("froc", 2), ("ap50", 2), ("loss", 1)])
def test_the_best_round_is_chosen_by_the_plans_metric(metric: str, best: int) -> None:
    comparison = Comparison(box_plan(evaluation={"metric": metric}))
    for round_, skill in ((1, 0.5), (2, 0.9), (3, 0.7)):
        counts = some_boxes(40, skill=skill, loss=float(round_))
        comparison.add(round_, {"north": counts})

    found = comparison.best()

    assert found is not None
    assert found.round == best
    assert comparison.choice().is_best
    if metric != "loss":
        assert found.value == box_scores(some_boxes(40, skill=0.9))[metric]


@pytest.mark.parametrize("favoured", [1, 3])
def test_a_site_whose_true_boxes_jump_chooses_no_round(favoured: int) -> None:
    comparison = Comparison(PLAN)
    for round_, skill in ((1, 0.3), (2, 0.6), (3, 0.9)):
        honest = {f"site {i}": some_boxes(60, i, skill) for i in range(3)}
        own = some_boxes(60, 9, 1.0 if round_ == favoured else 0.0)
        lot = 50 if round_ == favoured else 1
        evil = replace(own, hits=own.hits * lot, truths=own.truths * lot)
        comparison.add(round_, {**honest, "evil": evil})

    found = comparison.best()

    assert found is not None
    assert found.round == 3
    assert comparison.choice().sites == ["site 0", "site 1", "site 2"]


def test_a_site_that_grows_a_little_is_compared() -> None:
    comparison = Comparison(PLAN)
    for round_, n in ((1, 60), (2, 66), (3, 90)):
        comparison.add(round_, {"north": some_boxes(n)})

    assert comparison.choice().sites == ["north"]


def test_few_images_with_a_class_choose_no_round() -> None:
    comparison = Comparison(PLAN)
    for round_ in (1, 2):
        comparison.add(round_, {"north": some_boxes(9)})

    assert comparison.choice().why == "few_images"
