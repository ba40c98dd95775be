import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.conftest import SHARED
from tests.masks import Pointwise, mask_plan, outlined

from medfl_client.model_use.mask_report import mask_report
from medfl_client.training import mask_scores
from medfl_client.training.mask_scores import match_lesions, score_class, spacing_of
from medfl_common.metrics.mask_counts import empty_mask_counts
from medfl_common.plan.task import UNKNOWN_VOXEL


def square(row: int, column: int, side: int = 4, size: int = 16) -> np.ndarray:
    mask = np.zeros((size, size), dtype=bool)
    mask[row : row + side, column : column + side] = True
    return mask


def test_a_square_one_pixel_off_scores_as_a_hand_computes() -> None:
    plan = mask_plan(evaluation={"surface_mm": 1.0})
    truth = square(4, 4).astype(np.uint8)

    found = score_class(square(4, 5), truth, 1, (1.0, 2.0), plan)

    assert found.voxels == (12, 4, 4)
    assert found.dice == 0.75
    # of the truth's 12 border pixels the 4 of its left edge are 2 mm from the other's; the inner
    # 2 of its right edge are a row, 1 mm, from the other's upper or lower edge; 6 are on these
    assert found.nsd == pytest.approx(16 / 24)
    assert found.hd95 == pytest.approx(2.0)
    assert found.volume == 0.0
    assert found.lesions == (1, 0, 0)


def test_an_unknown_voxel_is_not_of_a_class_that_was_outlined() -> None:
    mask = np.where(square(4, 4), 1, UNKNOWN_VOXEL).astype(np.uint8)

    found = score_class(mask > 0, mask, 1, (1.0, 1.0), mask_plan())

    assert found.voxels == (16, 240, 0)
    assert found.dice == pytest.approx(2 * 16 / (256 + 16))
    assert found.hd95 > 5


def test_nothing_seen_and_nothing_there_are_told_apart() -> None:
    plan, nothing = mask_plan(), np.zeros((16, 16), dtype=bool)

    missed = score_class(nothing, square(2, 2).astype(np.uint8), 1, (1.0, 1.0), plan)
    alarm = score_class(square(2, 2), nothing.astype(np.uint8), 1, (1.0, 1.0), plan)
    quiet = score_class(nothing, nothing.astype(np.uint8), 1, (1.0, 1.0), plan)

    assert (missed.dice, missed.nsd, missed.hd95, missed.lesions) == (0, 0, np.inf, (0, 0, 1))
    assert (alarm.in_truth, alarm.voxels, alarm.lesions) == (False, (0, 16, 0), (0, 1, 0))
    assert (quiet.in_truth, quiet.voxels) == (False, (0, 0, 0))


def test_a_false_alarm_is_a_case_and_no_voxel_of_it_is_counted() -> None:
    alarm = mask_scores.ClassScores((0, 16, 0), (0, 1, 0), 0.0, np.inf)

    found = mask_scores.count_case({0: alarm}, 0.5, 1)

    assert found.cases.tolist() == [[0, 1, 1]]
    assert not found.voxels.any()
    assert not found.lesions.any()


def test_a_lesion_is_found_from_a_tenth_of_overlap_on() -> None:
    truth = square(0, 0, 4) | square(10, 10, 4)
    guess = square(3, 3, 4) | square(10, 11, 4)  # 1 of 31 pixels; 12 of 20

    assert match_lesions(guess, truth) == (1, 1, 1)


def test_cases_are_counted_and_a_class_that_nobody_outlined_is_left_out() -> None:
    images = outlined(5)
    images.targets[0, 2] = float("nan")
    model = Pointwise()
    model.head.bias.data = torch.tensor([0.0, 9.0, 0.0])  # type: ignore[assignment]

    found = mask_scores.count_masks(model, images, mask_plan(), torch.device("cpu"))

    assert (found.n, found.cases.tolist()) == (5, [[5, 0, 0], [4, 0, 0]])
    assert found.hd95[1, -1] == 4  # the heart is never seen
    assert found.dice.sum(axis=1).tolist() == [5, 4]
    assert found.voxels[0].sum() == 5 * 24 * 24
    assert found.loss > 0


def test_a_case_of_usual_size_takes_tens_of_milliseconds() -> None:
    rows, columns, slices = np.ogrid[:48, :64, :64]
    truth = ((rows - 24) / 10) ** 2 + ((columns - 30) / 16) ** 2 + ((slices - 30) / 16) ** 2 < 1
    score_class(truth, truth.astype(np.uint8), 1, (1.0, 1.0, 1.0), mask_plan())  # imports

    started = time.process_time()
    found = score_class(np.roll(truth, 1, 1), truth.astype(np.uint8), 1, (1.0,) * 3, mask_plan())

    assert time.process_time() - started < 0.2
    assert found.hd95 == pytest.approx(1.0)


Pair = tuple[np.ndarray, np.ndarray, tuple[float, ...]]


def random_pairs() -> list[Pair]:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    found = []
    for shape, spacing in (((40, 37), (0.7, 1.3)), ((18, 25, 22), (3.0, 0.8, 0.9))) * 4:
        one, other = (gaussian_filter(rng.normal(size=shape), 2) for _ in range(2))
        found.append((one + 0.4 * other > 0.05, one > 0.05, spacing))
    return found


def real_pairs() -> list[Pair]:
    from PIL import Image

    folder = SHARED / "segmentation" / "lung_cxr" / "masks"
    if not folder.exists():
        pytest.skip("the real masks are not on this machine (../shared/data/segmentation)")
    paths = sorted(folder.rglob("*.png"))[:7]
    masks = [np.asarray(Image.open(p).convert("L").resize((96, 96))) > 127 for p in paths]
    return [(a, b, (1.5, 1.5)) for a, b in pairwise(masks)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("pairs", [random_pairs, real_pairs])
def test_dice_surface_dice_and_hausdorff_are_monais(pairs: Callable[[], list[Pair]]) -> None:
    masks = pairs()
    metrics = pytest.importorskip("monai.metrics")

    for guess, truth, spacing in masks:
        plan = mask_plan(evaluation={"surface_mm": 1.5})
        one_hot = [torch.from_numpy(np.stack([~m, m])[None]).float() for m in (guess, truth)]
        args = {"include_background": False}
        apart = {**args, "spacing": [*spacing]}

        found = score_class(guess, truth.astype(np.uint8), 1, spacing, plan)

        dice = metrics.compute_dice(*one_hot, **args)
        surface = metrics.compute_surface_dice(*one_hot, [1.5], **apart)
        far = metrics.compute_hausdorff_distance(*one_hot, percentile=95, **apart)
        assert found.dice == pytest.approx(float(dice), abs=1e-6)
        assert found.nsd == pytest.approx(float(surface), abs=1e-6)
        assert found.hd95 == pytest.approx(float(far), abs=1e-4)


def test_spacing_is_the_plans_and_slices_come_first() -> None:
    volume = {
        "dimensions": 3, "sample": "series", "modality": ["MR"],
        "depth": 8, "slice_mm": 3, "spacing_mm": 0.8,
    }  # fmt: skip

    assert spacing_of(mask_plan()) == (1.0, 1.0)
    assert spacing_of(mask_plan(images=volume)) == (3.0, 0.8, 0.8)
    assert mask_plan(images=volume).images.distance_unit == "mm"


@pytest.mark.parametrize("known", [{"slice_mm": 3}, {"spacing_mm": 0.8}, {}])
def test_distances_are_in_pixels_unless_all_spacings_are_known(known: dict[str, float]) -> None:
    volume = {"dimensions": 3, "sample": "series", "modality": ["MR"], "depth": 8, **known}
    plan = mask_plan(images=volume)

    assert spacing_of(plan) == (1.0, 1.0, 1.0)
    assert "HD95, median, pixels" in mask_report(empty_mask_counts(2), plan)
