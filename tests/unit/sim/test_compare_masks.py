import numpy as np
import pytest
import torch
from tests.masks import Pointwise, mask_plan, outlined

from medfl_client.training.mask_scores import count_masks, dice_of_cases
from medfl_common.errors import ConfigError
from medfl_common.metrics.mask_counts import IN_TRUTH
from medfl_sim.runs.compare_masks import mask_row, mean_dice
from medfl_sim.runs.compare_page import answer
from medfl_sim.sweeps.sweep import refuse_masks

NAN = np.nan


def test_dice_is_the_mean_over_classes_of_the_images_that_have_them() -> None:
    dice = np.array([[[0.8, NAN, NAN], [0.6, 0.5, NAN]], [[1.0, NAN, NAN], [0.8, 0.7, NAN]]])

    assert mean_dice(dice) == pytest.approx([(0.7 + 0.5) / 2, (0.9 + 0.7) / 2])
    assert mean_dice(np.full((2, 3, 1), NAN)) == [None, None]


def test_joining_helped_where_most_patients_have_a_better_dice() -> None:
    rng = np.random.default_rng(0)
    alone = rng.uniform(0.6, 0.9, (40, 2))
    dice = np.stack([alone + 0.03, alone, alone + 0.03])

    row = mask_row("north", 100, dice, np.arange(40))

    assert row.helped.value == pytest.approx(0.03)
    assert (row.helped.verdict, row.to_pooled.verdict) == ("helped", "no clear difference")
    assert row.score == "Dice"
    said = answer([row], row)
    assert f"the Dice is {alone.mean() + 0.03:.2f} federated" in said
    few = mask_row("north", 100, dice, np.arange(40) // 8)
    assert few.helped.low is None  # 5 patients with 8 images each


def test_the_dice_of_cases_is_that_of_their_counts() -> None:
    model, images = Pointwise(), outlined(9, seed=4)
    images.targets[2, 1] = NAN
    images.masks[3][images.masks[3] == 0] = 255
    device = torch.device("cpu")

    found = dice_of_cases(model, images, mask_plan(), device)
    counts = count_masks(model, images, mask_plan(), device)

    assert np.isnan(found[2, 0])
    n_cases = counts.cases[:, IN_TRUTH]
    assert (~np.isnan(found)).sum(axis=0).tolist() == n_cases.tolist()
    assert np.nansum(found, axis=0) == pytest.approx(counts.sums[:, 0])


def test_a_sweep_over_a_segmentation_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(ConfigError, match="segmentation"):
        refuse_masks(mask_plan())
