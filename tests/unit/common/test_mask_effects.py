"""A segmentation's intervals count patients: against patients drawn anew, merged, and told."""

from dataclasses import replace

import numpy as np
import pytest

from medfl_client.egress.mask_rules import check_masks, released_masks
from medfl_client.training.mask_scores import ClassScores, count_case, one_by_one
from medfl_common.metrics.estimates import Estimate
from medfl_common.metrics.mask_counts import EFFECTS, PATIENTS, MaskCounts, merge_masks
from medfl_common.metrics.mask_effects import mask_effects
from medfl_common.metrics.mask_estimates import class_estimates, mask_estimates
from medfl_common.metrics.mask_numbers import EFFECTS as TOLD
from medfl_common.metrics.mask_numbers import from_numbers, shapes, to_numbers
from medfl_common.run.site_reply import SiteReply

RNG = np.random.default_rng
N_VOXELS = 1000


def slices(n_patients: int, n_each: int, rng: np.random.Generator) -> list[dict[int, ClassScores]]:
    """Draw slices whose Dice is mostly the patient's; every fourth has none of the class."""
    skill = np.clip(rng.normal(0.7, 0.15, n_patients), 0.05, 0.95)
    cases = []
    for i in range(n_patients * n_each):
        own = skill[i // n_each]
        if i % 4 == 3:
            seen = int(rng.random() < 1 - own)
            cases.append({0: ClassScores((0, 10 * seen, 0), (0, seen, 0), np.nan, np.nan)})
            continue
        dice = float(np.clip(own + rng.normal(0, 0.05), 0.01, 0.99))
        hit = round(dice * N_VOXELS)
        found = int(rng.binomial(3, own))
        voxels = (hit, N_VOXELS - hit, N_VOXELS - hit)
        cases.append({0: ClassScores(voxels, (found, 0, 3 - found), dice, 30 * (1.05 - dice))})
    return cases


def counted(cases: list[dict[int, ClassScores]], patient: np.ndarray) -> MaskCounts:
    whole = merge_masks([count_case(case, 0.5, 1) for case in cases])
    return replace(whole, found=one_by_one(cases, patient, 1))


def told(cases: list[dict[int, ClassScores]], patient: np.ndarray) -> MaskCounts:
    counts = counted(cases, patient)
    assert counts.found is not None
    return replace(counts, effects=mask_effects(counts.found), found=None)


def half(one: Estimate) -> float:
    assert one.low is not None
    assert one.high is not None
    return (one.high - one.low) / 2


def test_the_intervals_are_those_of_patients_drawn_anew() -> None:
    cases, patient = slices(60, 8, RNG(3)), np.repeat(np.arange(60), 8)
    found_there = [case[0] for case in cases]
    values = np.array([
        (c.dice, c.lesions[0], c.lesions[2], np.nan) if c.in_truth
        else (np.nan, 0, 0, c.voxels[1] > 0) for c in found_there
    ])  # fmt: skip
    rng, drawn = RNG(7), []
    for _ in range(1000):
        picked = values.reshape(60, 8, 4)[rng.integers(0, 60, 60)].reshape(-1, 4)
        hit, missed = picked[:, 1].sum(), picked[:, 2].sum()
        drawn.append([np.nanmean(picked[:, 0]), hit / (hit + missed), np.nanmean(picked[:, 3])])
    ends = np.percentile(drawn, [2.5, 97.5], axis=0)

    found = class_estimates(told(cases, patient), 0)
    by_image = class_estimates(merge_masks([count_case(case, 0.5, 1) for case in cases]), 0)

    names = ("dice", "lesion_sensitivity", "false_alarms")
    for name, low, high in zip(names, *ends, strict=True):
        wide = half(found[name]) / ((high - low) / 2)
        assert 0.85 < wide < 1.45, (name, wide)  # an effect is rounded up
        assert found[name].independent == "patients"
        assert by_image[name].independent == "images"
    assert half(by_image["dice"]) < 0.5 * half(found["dice"])
    assert half(by_image["median_hd95"]) < half(found["median_hd95"])


def test_one_image_a_patient_changes_no_interval() -> None:
    cases = slices(40, 1, RNG(1))

    by_patient = mask_estimates(told(cases, np.arange(40)))
    by_image = mask_estimates(merge_masks([count_case(case, 0.5, 1) for case in cases]))

    for name, one in by_image.items():
        assert (by_patient[name].low, by_patient[name].high) == (one.low, one.high), name


def test_few_patients_with_several_images_have_no_interval() -> None:
    found = mask_estimates(told(slices(5, 8, RNG(2)), np.repeat(np.arange(5), 8)))["dice"]

    assert found.value is not None
    assert (found.low, found.independent, found.n_patients) == (None, "too few", 5)


def test_sites_that_tell_no_effect_get_the_mean_of_the_others_and_patients_add_up() -> None:
    parts = [told(slices(n, 4, RNG(n)), np.repeat(np.arange(n), 4)) for n in (20, 60)]
    silent = replace(parts[0], effects=None)

    both, one = merge_masks(parts).effects, merge_masks([silent, parts[1]]).effects

    assert both is not None
    assert one is not None
    assert parts[0].effects is not None
    assert parts[1].effects is not None
    weighted = (parts[0].effects + 3 * parts[1].effects) / 4
    assert both[:, EFFECTS] == pytest.approx(weighted[:, EFFECTS])
    assert both[0, PATIENTS] == 80
    assert one[:, EFFECTS] == pytest.approx(parts[1].effects[:, EFFECTS])
    assert one[0, PATIENTS] == 0  # not all are told
    assert merge_masks([silent, silent]).effects is None


def test_effects_leave_with_the_last_scorings_alone_and_of_no_few_patients() -> None:
    counts = counted(slices(12, 8, RNG(5)), np.repeat(np.arange(12), 8))

    last, round_, few = (released_masks(counts, size, is_last)
                         for size, is_last in ((5, True), (5, False), (13, True)))  # fmt: skip

    assert last is not None
    assert last.effects is not None
    assert round_ is not None
    assert round_.effects is None
    assert few is not None
    assert few.effects is not None
    assert not few.effects.any()
    numbers = to_numbers(last)
    lists = {k: np.array(numbers[k]).reshape(s) for k, s in shapes(1, has_effects=True).items()}
    assert check_masks(lists, 5, is_round=False) == ""
    assert check_masks(lists, 13, is_round=False) != ""
    lists[TOLD][0, 2] += 1
    assert check_masks(lists, 5, is_round=False) == "effects finer than their steps"
    assert last.found is None


def test_effects_survive_the_wire_and_the_log() -> None:
    counts = told(slices(12, 8, RNG(5)), np.repeat(np.arange(12), 8))
    numbers = to_numbers(counts)
    lists = {k: np.array(numbers[k]).reshape(s) for k, s in shapes(1, has_effects=True).items()}

    again = from_numbers(counts.n, counts.loss, lists)

    assert counts.effects is not None
    assert again.effects == pytest.approx(counts.effects)
    reply = SiteReply.of_work(
        n_images=9, n_steps=1, train_loss=0.1, seconds=1.0, bytes_received=1, bytes_sent=1,
        sha256="ab", for_round=None, score_counts=None, exact_auc=None, groups={}, compared={},
        mask_counts=counts,
    )  # fmt: skip
    assert reply.mask_counts is not None
    assert reply.mask_counts.effects == pytest.approx(counts.effects)
