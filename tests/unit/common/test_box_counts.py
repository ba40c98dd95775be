import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from tests.boxes import box_plan, drawn_boxes, drawn_image, hits_only, some_boxes

from medfl_client.training.box_scores import as_found, match_image
from medfl_common.metrics.box_counts import (
    CENTRE,
    EXTRA,
    HIT,
    N_BOX_BINS,
    OVERLAP,
    POINTS,
    SUMMED,
    UNKNOWN,
    box_bin_places,
    count_found,
    merge_boxes,
)
from medfl_common.metrics.box_estimates import (
    AT_POINTS,
    EFFECT_STEPS,
    at_points,
    average_precision,
    box_effects,
    box_estimates,
    box_scores,
    class_estimates,
    class_scores,
    froc_curve,
)
from medfl_common.metrics.box_numbers import (
    BOX_NAMES,
    box_shapes,
    boxes_from_numbers,
    boxes_to_numbers,
)


def bins(**places: int) -> np.ndarray:
    row = np.zeros(N_BOX_BINS, dtype=np.int64)
    for place, n in places.items():
        row[int(place[1:])] = n
    return row


def exact_scores(scores: np.ndarray, outcome: np.ndarray, n_truths: int, n: int) -> dict:
    """Score boxes one by one, without bins."""
    order = np.argsort(-scores, kind="stable")
    froc = outcome[order, CENTRE]
    hits, false = np.cumsum(froc == HIT) / n_truths, np.cumsum(froc == EXTRA) / n
    found = {}
    for name, point in zip(AT_POINTS, POINTS, strict=True):
        x, y = [0.0], [0.0]
        for f, s in zip(false.tolist(), hits.tolist(), strict=True):
            if f == x[-1]:
                y[-1] = s
            else:
                x.append(f)
                y.append(s)
        found[name] = float(np.interp(point, x, y))
    is_hit = outcome[order, OVERLAP] == HIT
    precision = np.cumsum(is_hit) / np.arange(1, len(is_hit) + 1)
    found["ap50"] = sum(precision[i:].max() for i in np.flatnonzero(is_hit)) / n_truths
    found["froc"] = float(np.mean([found[name] for name in AT_POINTS]))
    return found


def test_a_froc_read_by_hand() -> None:
    # 4 images, 4 true boxes: 2 found, then 1 and 2 false, then 1 false alone
    false, sensitivity = froc_curve(bins(b90=2, b80=1), bins(b80=2, b60=1), 4, 4)

    found = at_points(false, sensitivity)

    assert false[-1] == 0.75
    assert [one.value for one in found] == pytest.approx(
        [0.5 + 0.25 / 4, 0.625, 0.75, 0.75, 0.75, 0.75, 0.75]
    )
    assert found[1].bound == pytest.approx(0.125)
    assert found[4].bound == 0.0


def test_an_average_precision_read_by_hand() -> None:
    alone = average_precision(bins(b90=1, b70=1), bins(b80=1), 4)
    joined = average_precision(bins(b90=1, b70=1), bins(b70=1), 4)

    assert alone.value == pytest.approx((1 + 2 / 3) / 4)
    assert alone.bound == 0.0
    assert joined.value == pytest.approx((1 + 2 / 2.5) / 4)
    assert joined.bound == pytest.approx((1 - 0.8) / 4)


def test_a_hundred_million_hits_cost_no_more_than_their_bins() -> None:
    rng = np.random.default_rng(1)
    hits, extra = (rng.integers(0, 200, N_BOX_BINS) for _ in range(2))
    lot = 10**6

    few = average_precision(hits, extra, int(hits.sum()))
    tracemalloc.start()
    many = average_precision(hits * lot, extra * lot, int(hits.sum()) * lot)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert many.value == pytest.approx(few.value, abs=1e-3)
    assert peak < 100e6


@pytest.mark.parametrize("seed", range(6))
def test_scores_of_bins_are_the_exact_ones_within_the_bound_they_state(seed: int) -> None:
    rng, n = np.random.default_rng(seed), 150
    rows, truths, scores = [], [], []
    for i in range(n):
        found, true = drawn_image(rng, 0.7)
        rows.append(match_image(found, true, i))
        truths.append(np.bincount(true[:, 0].astype(int), minlength=2))
        # match_image goes class by class, the surest first
        scores += [found.scores[found.classes == k] for k in np.unique(found.classes)]
    boxes, score = as_found(rows, truths, box_plan()), np.concatenate(scores)
    counts = count_found(boxes, 0.0)

    for k in range(2):
        own = boxes.kind == k
        exact = exact_scores(score[own], boxes.outcome[own], int(counts.truths[k]), n)
        for name, one in class_scores(counts, k).items():
            assert one is not None
            assert abs(one.value - exact[name]) <= one.bound + 1e-12
            assert one.bound < (0.02 if name in ("froc", "ap50") else 0.05)  # of 220 true boxes


def test_merged_sites_score_like_their_images_together() -> None:
    whole = drawn_boxes(40)
    halves = []
    for chosen in (range(25), range(25, 40)):
        keep = np.isin(whole.image, chosen)
        halves.append(
            count_found(
                replace(
                    whole, image=whole.image[keep] - chosen[0], kind=whole.kind[keep],
                    bins=whole.bins[keep], outcome=whole.outcome[keep],
                    truths=whole.truths[[*chosen]], patient=whole.patient[[*chosen]],
                ),
                0.5,
            )
        )  # fmt: skip

    together, merged = count_found(whole, 0.5), merge_boxes(halves)

    for name in SUMMED:
        assert (getattr(merged, name) == getattr(together, name)).all()
    assert box_scores(merged) == box_scores(together)


def test_an_image_of_which_nobody_knows_a_class_does_not_count_for_it() -> None:
    found = drawn_boxes(20)
    found.truths[4:, 1] = UNKNOWN

    counts = count_found(found, 0.5)

    assert counts.images.sum(axis=1).tolist() == [20, 4]
    assert counts.extra[1].sum() == count_found(drawn_boxes(4), 0.5).extra[1].sum()


def test_the_mean_over_classes_leaves_out_one_that_no_image_has() -> None:
    found = drawn_boxes(20)
    found.truths[:, 1] = 0

    counts = count_found(found, 0.5)

    assert class_scores(counts, 1)["froc"] is None
    own = class_scores(counts, 0)["froc"]
    assert own is not None
    assert box_scores(counts)["froc"] == own.value
    assert box_estimates(counts)["ap50"].n == counts.truths[0]


def test_effects_are_one_for_boxes_apart_and_as_many_as_are_alike() -> None:
    apart = drawn_boxes(300, seed=2)
    alike = replace(apart, patient=apart.patient // 10)
    copies = np.arange(10)
    same = replace(
        apart,
        image=(apart.image[:, None] + 300 * copies).ravel(), kind=np.repeat(apart.kind, 10),
        bins=np.repeat(apart.bins, 10), outcome=np.repeat(apart.outcome, 10, axis=0),
        truths=np.tile(apart.truths, (10, 1)), patient=np.tile(apart.patient, 10),
    )  # fmt: skip

    one, some, many = (box_effects(boxes, 5)[0] for boxes in (apart, alike, same))

    assert (one >= 1).all()
    assert one.max() <= 3  # some of one image are alike
    assert some.max() <= 3  # patients of ten images drawn apart
    assert many == pytest.approx(10 * one, rel=0.5)
    assert {*one, *some, *many} <= {*EFFECT_STEPS}
    assert not box_effects(apart, 301).any()


def test_a_patient_with_most_true_boxes_is_not_told_by_an_effect() -> None:
    """Nothing is found, so the exact effect would be the sum of squares over the sum."""
    rows = drawn_boxes(30)
    none = np.zeros(0, dtype=np.int64)
    found = replace(
        rows, image=none, kind=none, bins=none, outcome=np.zeros((0, 2), dtype=np.int64)
    )
    found.truths[:] = 0
    found.truths[:10] = [[1, 1]] * 9 + [[47, 9]]

    effects = box_effects(found, 10)

    assert not effects[0].any()
    assert (effects[1] == 5.0).all()  # (9 + 81) / 18, and no finer


def test_an_interval_counts_true_boxes_by_their_effect() -> None:
    counts = some_boxes(200)
    told = replace(counts, effects=np.full((2, 9), 4.0))

    plain, wide = class_estimates(counts, 0)["froc"], class_estimates(told, 0)["froc"]

    assert None not in (plain.low, plain.high, wide.low, wide.high)
    assert (plain.independent, wide.independent) == ("images", "patients")
    bare, own = ((e.high - e.low) / 2 - e.bound for e in (plain, wide))  # type: ignore[operator]
    assert own == pytest.approx(2 * bare, rel=0.1)
    assert plain.n == counts.truths[0]


def test_intervals_by_image_hold_the_score_of_many_images() -> None:
    true = box_scores(some_boxes(2000, seed=99))
    held = {"froc": 0, "ap50": 0}
    for seed in range(20):
        counts = some_boxes(60, seed=seed)
        assert counts.found is not None
        told = box_estimates(replace(counts, effects=box_effects(counts.found, 5)))
        for name in held:
            one, value = told[name], true[name]
            assert None not in (one.low, one.high, value)
            held[name] += one.low <= value <= one.high  # type: ignore[operator]

    assert min(held.values()) >= 17


def test_the_counts_come_back_from_their_numbers() -> None:
    counts = some_boxes(30)
    told = replace(counts, effects=np.full((2, 9), 1.257))
    numbers = boxes_to_numbers(told)

    shaped = {name: np.array(numbers[name]).reshape(s) for name, s in box_shapes(2).items()}
    back = boxes_from_numbers(30, 0.5, shaped)

    assert set(numbers) == set(BOX_NAMES)
    assert box_scores(back) == box_scores(counts)
    assert back.effects.max() == 1.26
    assert back.found is None


def test_nothing_found_is_nothing_hit() -> None:
    counts = hits_only(5, 5)
    none = replace(counts, hits=counts.hits * 0, behind=counts.behind * 0)

    assert box_scores(none)["froc"] == 0.0
    assert box_scores(none)["ap50"] == 0.0
    assert box_scores(counts)["froc"] == 1.0
    assert box_bin_places(32)[0] == 4
