from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.boxes import box_plan, drawn_boxes, drawn_image, hits_only, some_boxes
from tests.masks import Pointwise

from medfl_client.config.site_file import Policy
from medfl_client.data.boxed import padded_boxes
from medfl_client.data.dataset import BoxedImages, SiteData
from medfl_client.egress.box_rules import released_boxes
from medfl_client.egress.guard import release
from medfl_client.egress.inspection import inspect
from medfl_client.task.reply_line import line_of
from medfl_client.training import box_scores
from medfl_client.training.local_round import work
from medfl_common.errors import DisclosureError
from medfl_common.metrics.box_counts import (
    CENTRE,
    N_BOX_BINS,
    N_COARSE_BOX_BINS,
    OVERLAP,
    WITH,
    BoxCounts,
    box_bin_places,
    count_found,
    merge_boxes,
)
from medfl_common.metrics.box_estimates import box_estimates
from medfl_common.metrics.box_estimates import box_scores as box_scores_of
from medfl_common.metrics.box_numbers import BOX_NAMES
from medfl_common.models.weights import shared_weights
from medfl_common.wire.results import TrainResult, decode_result, plan_number
from medfl_common.wire.tasks import Kind, TrainTask

PLAN = box_plan()
UPDATE = {"w": torch.ones(2, 2)}
SHAPES = {"w": (2, 2)}


def asked(kind: Kind = "train") -> TrainTask:
    return TrainTask(kind, "0" * 32, 1, 99, "north", PLAN, {})


def result(counts: BoxCounts, update: bool = True) -> TrainResult:
    own = TrainResult(plan_number(PLAN), 1, 99, box_counts=counts)
    return replace(own, n_images=50, n_steps=5, update=UPDATE) if update else own


def boxes(counts: BoxCounts) -> np.ndarray:
    """Count all found boxes by class and bin."""
    return (counts.hits + counts.extra)[:, OVERLAP]


@pytest.mark.parametrize(
    ("kind", "n_bins"), [("train", N_COARSE_BOX_BINS), ("evaluate", N_BOX_BINS)]
)
def test_what_leaves_has_bins_of_enough_images_and_nearly_the_scores(
    kind: Kind, n_bins: int
) -> None:
    counts = some_boxes(200, loss=0.123456)

    content = release(result(counts, kind == "train"), asked(kind), Policy(min_cell=10), SHAPES)

    found = decode_result(content, SHAPES, PLAN).box_counts
    assert found is not None
    assert found.behind[found.behind > 0].min() >= 10
    assert not np.delete(found.behind, box_bin_places(n_bins), axis=1).any()
    assert (boxes(found).sum(axis=1) == boxes(counts).sum(axis=1)).all()
    assert found.truths.tolist() == counts.truths.tolist()
    assert found.loss == 0.123
    assert found.effects.any() == (kind == "evaluate")
    told, exact = box_scores_of(found), box_scores_of(counts)
    assert told["froc"] == pytest.approx(exact["froc"], abs=0.02)
    assert told["ap50"] == pytest.approx(exact["ap50"], abs=0.02)


@pytest.mark.parametrize(("is_scoring", "most"), [(True, 0.01), (False, 0.02)])
def test_released_counts_of_four_hospitals_score_as_their_boxes_in_one_place(
    is_scoring: bool, most: float
) -> None:
    sites = [some_boxes(80, seed) for seed in range(4)]
    left = [released_boxes(one, 10, is_scoring) for one in sites]

    told = box_estimates(merge_boxes([one for one in left if one is not None]))

    exact = box_scores_of(merge_boxes(sites))
    for name in ("froc", "ap50"):
        assert told[name].value == pytest.approx(exact[name], abs=most)


def test_an_image_with_five_hundred_false_boxes_is_not_told() -> None:
    quiet = dict.fromkeys(range(20), 2)
    noisy = hits_only(20, 20, {**quiet, 0: 500})
    plain = hits_only(20, 20, quiet)

    found, before = (released_boxes(one, 10, is_scoring=True) for one in (noisy, plain))

    assert found is not None
    assert before is not None
    assert found.hits[0].sum() == before.hits[0].sum() == 2 * 20
    assert before.extra[0, CENTRE].sum() == 40
    assert found.extra[0].sum() == 0  # that bin is left out, as if the threshold were higher


def test_a_class_that_fills_no_bin_keeps_its_true_boxes_and_counts_none_found() -> None:
    rows = drawn_boxes(30)
    first = np.flatnonzero((rows.image == 0) & (rows.kind == 0))
    lot = np.concatenate([np.arange(len(rows.image)), np.repeat(first[:1], 900)])
    noisy = replace(
        rows, image=rows.image[lot], kind=rows.kind[lot], bins=np.full(len(lot), 100),
        outcome=rows.outcome[lot],
    )  # fmt: skip

    counts = count_found(noisy, 0.5)

    found = released_boxes(counts, 5, is_scoring=True)

    assert found is not None
    assert found.images.tolist() == counts.images.tolist()
    assert found.truths.tolist() == counts.truths.tolist()
    assert not any(getattr(found, name)[0].any() for name in ("hits", "extra", "behind", "effects"))
    assert box_scores_of(found)["froc"] is not None


@pytest.mark.parametrize(("n_with", "n_without"), [(4, 20), (20, 4)])
def test_a_class_that_few_images_have_or_lack_is_taken_out(n_with: int, n_without: int) -> None:
    assert released_boxes(hits_only(n_with, n_without), 5, is_scoring=True) is None


def test_scores_of_few_images_stay_and_the_update_goes() -> None:
    content = release(result(some_boxes(9)), asked(), Policy(min_cell=10), SHAPES)

    assert not {"n_scored", "loss", *BOX_NAMES} & {*content.metric_records["numbers"]}
    assert "update" in content


def test_a_model_that_finds_nothing_is_told_to() -> None:
    rows = drawn_boxes(40)
    none = replace(
        rows, image=rows.image[:0], kind=rows.kind[:0], bins=rows.bins[:0],
        outcome=rows.outcome[:0],
    )  # fmt: skip

    found = released_boxes(count_found(none, 0.5), 5, is_scoring=False)

    assert found is not None
    assert box_scores_of(found)["froc"] == 0.0


def test_effects_are_of_enough_patients() -> None:
    rows = drawn_boxes(60)
    few = count_found(replace(rows, patient=rows.patient // 10), 0.5)

    found = released_boxes(few, 10, is_scoring=True)

    assert found is not None
    assert not found.effects.any()


def test_scores_stay_where_the_policy_does_not_share_them() -> None:
    policy = Policy(min_cell=1, metrics=["train_loss"])

    content = release(result(some_boxes(60)), asked(), policy, SHAPES)

    assert "n_scored" not in content.metric_records["numbers"]


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("box_images", 0, 3),
        ("box_behind", 0, 3),
        ("box_hits", 0, 1),
        ("box_effects", 0, 150),
        ("box_behind", 1, 60),
        ("box_new", 0, 1),
    ],
)
def test_the_last_look_stops_a_message_that_tells_of_few_images(
    name: str, place: int, value: int
) -> None:
    content = release(result(some_boxes(200)), asked(), Policy(min_cell=10), SHAPES)
    numbers = content.metric_records["numbers"]
    told = [*numbers.get(name, [0])]  # type: ignore[misc]
    told[place] = value
    numbers[name] = told

    with pytest.raises(DisclosureError):
        inspect(content, PLAN, SHAPES, Policy(min_cell=10))


def test_a_round_has_no_finer_bins_and_a_class_taken_out_has_no_boxes() -> None:
    policy = Policy(min_cell=10)
    last = release(result(some_boxes(200), update=False), asked("evaluate"), policy, SHAPES)
    with_update = release(result(some_boxes(200)), asked(), policy, SHAPES)
    numbers = with_update.metric_records["numbers"]
    for name in BOX_NAMES[:-1]:
        numbers[name] = last.metric_records["numbers"][name]

    with pytest.raises(DisclosureError, match="more than 64 bins"):
        inspect(with_update, PLAN, SHAPES, policy)

    last.metric_records["numbers"]["box_images"][:2] = [0, 0]  # type: ignore[index]
    with pytest.raises(DisclosureError, match="class without images"):
        inspect(last, PLAN, SHAPES, policy)


def test_a_round_scores_boxes_and_the_site_reads_its_froc(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads the maps, and their loss, are parts of their own."""
    rng, model, n = np.random.default_rng(4), Pointwise(4), 30
    drawn = [drawn_image(rng) for _ in range(n)]
    boxes = padded_boxes([np.float32(true) for _, true in drawn], 2)
    pixels, places = np.zeros((n, 1, 64, 64), dtype=np.uint8), np.arange(n)
    images = BoxedImages(pixels, places, torch.ones(n, 2), boxes=boxes)
    left = iter([found for found, _ in drawn])
    monkeypatch.setattr(box_scores, "found_in", lambda maps, plan: [next(left) for _ in maps])
    monkeypatch.setattr(box_scores, "box_loss", lambda plan: lambda maps, boxes: maps.abs().mean())
    task = replace(asked("evaluate"), weights=shared_weights(model))
    site = SiteData(images, images, images, patients={"validation": places // 2})

    found = work(task, model, site, torch.device("cpu"))
    content = release(found, task, Policy(min_cell=5), {})

    assert (found.score_counts, found.mask_counts) == (None, None)
    assert found.box_counts is not None
    assert found.box_counts.found is not None
    assert found.box_counts.found.patient.max() == 14
    said = line_of(found, task, content, Policy(min_cell=5), None)
    assert f"FROC {box_scores_of(found.box_counts)['froc']:.2f} on 30 cases" in said
    withheld = release(found, task, Policy(min_cell=31), {})
    assert "fewer cases than 31" in line_of(found, task, withheld, Policy(min_cell=31), None)
    assert found.without_scores().box_counts is None


def test_no_box_and_no_place_is_in_a_message() -> None:
    content = release(result(some_boxes(200)), asked(), Policy(min_cell=10), SHAPES)

    found = decode_result(content, SHAPES, PLAN).box_counts

    assert found is not None
    assert found.found is None
    assert {n for n in content.metric_records["numbers"] if n.startswith("box")} == {*BOX_NAMES}
    assert found.images[0, WITH] > 0
