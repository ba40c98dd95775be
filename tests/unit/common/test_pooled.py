"""What a hospital adds to a sum, and what the sum says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.conftest import MakePlan

from medfl_common.errors import RunError
from medfl_common.metrics.clusters import SCORES, DesignEffects
from medfl_common.metrics.counts import ScoreCounts, auc, coarser, histogram, merge
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.pooled import N_NORM_BINS, PooledLayout, Summed, norm_bin
from medfl_common.wire.results import TrainResult

SHAPES = {"head.bias": (3,), "body.weight": (40, 50)}


def summing(make_plan: MakePlan, **sums: object) -> Plan:
    sections = {"secure_sum": {"most_images": 1000, **sums}}
    return load_plan(make_plan(privacy=sections, evaluation={"keep": "last"}))


def result_of(site: int, n_images: int, size: float = 0.01, **more: object) -> TrainResult:
    draw = torch.Generator().manual_seed(site)
    update = {
        name: torch.randn(shape, generator=draw) * size for name, shape in sorted(SHAPES.items())
    }
    return replace(
        TrainResult(1, 1, 1, n_images=n_images, n_steps=4, train_loss=0.5, update=update),
        **more,  # type: ignore[arg-type]
    )


def scored(site: int, n: int) -> ScoreCounts:
    rng = np.random.default_rng(site)
    truth = np.arange(n) % 2
    odds = rng.normal(2.0 * truth - 1, 1.5)
    confusion = np.zeros((2, 2), np.int64)
    np.add.at(confusion, (truth, (odds > 0).astype(int)), 1)
    curves = [histogram(odds[truth == one])[None] for one in (1, 0)]
    return ScoreCounts(n, 0.25 * site, confusion, *curves)


def total_of(layout: PooledLayout, results: list[TrainResult]) -> Summed:
    vectors = [layout.encode(one) for one in results]
    return np.sum(np.stack(vectors), axis=0, dtype=np.uint32)


def mean_of(results: list[TrainResult], name: str) -> torch.Tensor:
    n = sum(one.n_images for one in results)
    whole = sum(r.update[name].double() * r.n_images for r in results if r.update)
    return torch.as_tensor(whole) / n


@pytest.mark.parametrize("n_sites", [2, 5, 20, 50])
def test_the_mean_of_a_sum_is_off_by_less_than_a_hundred_millionth(
    make_plan: MakePlan, n_sites: int
) -> None:
    layout = PooledLayout(summing(make_plan), "train", SHAPES, n_sites)
    rng = np.random.default_rng(n_sites)
    results = [result_of(k, int(rng.integers(500, 1001)), 0.2) for k in range(n_sites)]

    pooled = layout.decode(total_of(layout, results), n_sites)

    for name in SHAPES:
        off = (pooled.update[name].double() - mean_of(results, name)).abs()
        rounded = 2.0**-24 * mean_of(results, name).abs().max()  # of float32, which weights are
        assert off.max() < 1e-8 + rounded
    assert pooled.n_images == sum(one.n_images for one in results)
    assert pooled.n_steps == 4 * n_sites
    assert pooled.train_loss == pytest.approx(0.5, abs=1e-5)


def test_no_sum_runs_over_where_all_hospitals_go_to_the_end_of_the_range(
    make_plan: MakePlan,
) -> None:
    for n_sites in (2, 3, 50, 2047):
        layout = PooledLayout(summing(make_plan, range=0.5), "train", SHAPES, n_sites)
        wish = {name: torch.full(shape, 9.0) for name, shape in SHAPES.items()}
        vector = layout.encode(result_of(0, 5000, update=wish, train_loss=1e7))

        total = (vector.astype(np.uint64) * n_sites % 2**32).astype(np.uint32)
        pooled = layout.decode(total, n_sites)

        assert torch.allclose(pooled.update["head.bias"], torch.full((3,), 0.5), rtol=1e-6)
        assert pooled.n_images == 1000 * n_sites  # a hospital counts for most_images
        assert pooled.n_clipped == 2003 * n_sites


def test_counts_of_scores_are_those_of_all_hospitals(make_plan: MakePlan) -> None:
    plan, own = summing(make_plan), [scored(k, 30 + k) for k in range(4)]
    results = [result_of(k, 100, score_counts=counts) for k, counts in enumerate(own)]
    results.append(result_of(9, 100))  # keeps its scores
    for kind, n_bins in (("train", 32), ("evaluate", 128)):
        layout = PooledLayout(plan, kind, SHAPES, 5)  # type: ignore[arg-type]
        pooled = layout.decode(total_of(layout, results), 5)

        whole = merge([coarser(one, n_bins) for one in own])
        assert pooled.n_scoring == 4
        assert pooled.score_counts is not None
        assert pooled.score_counts.n == whole.n == 126
        assert pooled.score_counts.loss == pytest.approx(whole.loss, abs=1e-4)
        assert auc(pooled.score_counts) == auc(whole)
        for part in ("confusion", "positive", "negative"):
            assert (getattr(pooled.score_counts, part) == getattr(whole, part)).all()


def test_a_sum_has_the_hospitals_mean_design_effect_and_their_patients(
    make_plan: MakePlan,
) -> None:
    width = len(SCORES) + 1

    def told(k: int, effect: float, n_patients: int) -> ScoreCounts:
        effects = DesignEffects(np.full(width, effect), np.full(width, n_patients))
        return replace(coarser(scored(k, 30 + 10 * k)), clusters=effects)

    own = [told(1, 1.5, 20), told(2, 3.25, 12), told(3, 0.0, 0)]  # the last has too few patients
    for n_told in (2, 3):
        results = [result_of(k, 100, score_counts=one) for k, one in enumerate(own[:n_told])]
        layout = PooledLayout(summing(make_plan), "test", SHAPES, 3)

        pooled = layout.decode(total_of(layout, results), n_told).score_counts

        whole = merge(own[:n_told]).clusters
        assert pooled is not None
        assert isinstance(pooled.clusters, DesignEffects)
        assert isinstance(whole, DesignEffects)
        values = whole.values if n_told == 2 else 0.0  # nobody knows the third hospital's
        assert pooled.clusters.values == pytest.approx(values)
        assert pooled.clusters.n_patients == whole.n_patients == (32 if n_told == 2 else None)
    layout = PooledLayout(summing(make_plan), "test", SHAPES, 3)
    silent = layout.decode(total_of(layout, [result_of(4, 9, score_counts=scored(4, 40))]), 1)
    assert silent.score_counts is not None
    assert silent.score_counts.clusters is None


def test_a_sum_without_scores_has_none(make_plan: MakePlan) -> None:
    layout = PooledLayout(summing(make_plan, scores=False), "train", SHAPES, 2)
    vectors = [result_of(k, 100, score_counts=scored(k, 40)) for k in range(2)]

    assert layout.decode(total_of(layout, vectors), 2).score_counts is None


def test_norms_come_as_a_histogram() -> None:
    assert [norm_bin(x) for x in (0, 0.007, 0.008, 0.2, 0.26, 6, 8, 1e9)] == [
        0, 0, 1, 5, 6, 10, 11, 11,
    ]  # fmt: skip


def test_one_far_update_stands_out_of_the_histogram(make_plan: MakePlan) -> None:
    layout = PooledLayout(summing(make_plan), "train", SHAPES, 3)
    results = [result_of(0, 9), result_of(1, 9), result_of(2, 9, size=100.0)]

    norms = layout.decode(total_of(layout, results), 3).norms

    assert sum(norms) == 3
    assert norms[N_NORM_BINS - 1] == 1


def test_what_is_no_sum_of_so_many_hospitals_is_refused(make_plan: MakePlan) -> None:
    layout = PooledLayout(summing(make_plan), "train", SHAPES, 3)
    total = total_of(layout, [result_of(k, 100) for k in range(3)])
    noise = np.random.default_rng(0).integers(0, 2**32, total.size, dtype=np.uint32)

    for wrong in (total[:-1], total + noise, np.zeros_like(total)):
        with pytest.raises(RunError):
            layout.decode(wrong, 3)
    with pytest.raises(RunError, match="not possible"):
        layout.decode(total, 2)


def test_a_hospital_masks_no_infinity(make_plan: MakePlan) -> None:
    layout = PooledLayout(summing(make_plan), "train", SHAPES, 3)
    wrong = {name: torch.full(shape, torch.inf) for name, shape in SHAPES.items()}

    with pytest.raises(RunError, match="infinity"):
        layout.encode(result_of(0, 100, update=wrong))
