"""Masks that move with their images; changes of whole volumes."""

import pytest
import torch
from tests.conftest import MakePlan

from medfl_client.training.augment import augment, augment_with_masks
from medfl_common.models.input_scale import BLACK
from medfl_common.plan.plan import load_plan
from medfl_common.plan.training import Augmentation

EVERY = {
    "flip": True, "flip_vertical": True, "rotation_deg": 30, "shift": 0.2, "zoom": 0.2,
    "shear_deg": 20, "contrast": 0.3, "noise": 0.1, "rotation_3d_deg": 20, "elastic": 0.05,
}  # fmt: skip
UNKNOWN = 255


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blocks(n: int, *sides: int) -> torch.Tensor:
    """Masks of a bright box a little off the middle."""
    masks = torch.zeros(n, *sides, dtype=torch.uint8)
    masks[(slice(None), *(slice(side // 3, side // 2 + 3) for side in sides))] = 1
    return masks


@pytest.mark.parametrize("sides", [(32, 32), (12, 32, 32)])
@pytest.mark.parametrize("fill", ["edge", "black"])
def test_a_mask_goes_where_its_image_goes(sides: tuple[int, ...], fill: str) -> None:
    moves = {k: v for k, v in EVERY.items() if k not in ("contrast", "noise")}
    settings = Augmentation(share=0.7, fill=fill, **moves)
    masks = blocks(24, *sides)
    pixels = masks[:, None].float() + BLACK  # black where there is background

    changed, moved = augment_with_masks(pixels, masks, settings, generator())

    by_image = changed[:, 0] - BLACK
    is_sure = (by_image < 0.25) | (by_image > 0.75)
    agree = (by_image > 0.5) == (moved == 1)
    assert agree[is_sure].float().mean() > 0.999
    assert 8 < sum(not torch.equal(a, b) for a, b in zip(masks, moved, strict=True)) < 24
    assert set(moved.unique().tolist()) == {0, 1}


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 6, 16, 16)])
def test_an_image_has_the_same_bits_with_a_mask_and_without(shape: tuple[int, ...]) -> None:
    pixels, settings = torch.randn(8, *shape), Augmentation(**EVERY)

    alone = augment(pixels, settings, generator(), 0.5)
    beside, _ = augment_with_masks(pixels, blocks(8, *shape[1:]), settings, generator(), 0.5)

    assert torch.equal(alone, beside)


def test_unknown_stays_unknown_and_black_is_background() -> None:
    masks = torch.full((32, 8, 8), UNKNOWN, dtype=torch.uint8)
    pixels = torch.zeros(32, 1, 8, 8)

    def moved(fill: str) -> torch.Tensor:
        settings = Augmentation(shift=0.5, share=1, fill=fill)
        return augment_with_masks(pixels, masks, settings, generator())[1]

    assert torch.equal(moved("edge"), masks)
    assert set(moved("black").unique().tolist()) == {0, UNKNOWN}
    with_image, _ = augment_with_masks(
        pixels, masks, Augmentation(shift=0.5, share=1, fill="black"), generator()
    )
    is_black = with_image[:, 0] < BLACK / 2
    assert (is_black == (moved("black") == 0)).float().mean() > 0.98


def test_a_ball_turned_about_any_axis_stays_a_ball_where_slices_are_thick() -> None:
    z, y, x = torch.meshgrid(
        *((torch.arange(n) * 2 + 1) / n - 1 for n in (20, 40, 40)), indexing="ij"
    )
    ball = ((x**2 + y**2 + (z * 0.5) ** 2).sqrt() < 0.4).to(torch.uint8)[None].expand(6, -1, -1, -1)
    settings = Augmentation(rotation_3d_deg=180, share=1)
    pixels = ball[:, None].float()

    _, right = augment_with_masks(pixels, ball.clone(), settings, generator(), aspect=0.5)
    _, wrong = augment_with_masks(pixels, ball.clone(), settings, generator(), aspect=1.0)

    def overlap(found: torch.Tensor) -> float:
        return float(2 * (found & ball).sum() / (found.sum() + ball.sum()))

    assert overlap(right) > 0.93
    assert overlap(wrong) < 0.85


def test_the_nodes_of_the_elastic_grid_move_and_what_lies_between_follows_smoothly() -> None:
    ramp = torch.linspace(-1, 1, 65).expand(4, 1, 65, 65).clone()

    bent = augment(ramp, Augmentation(elastic=0.1, share=1), generator())

    middle = (bent - ramp)[:, 0, 8:-8, 8:-8]
    assert 0.02 < float(middle.abs().max()) <= 1.25**2 * 0.2
    assert float(middle.diff(n=2, dim=2).abs().max()) < 0.01


def test_the_new_changes_are_off_and_in_no_other_plans_hash(make_plan: MakePlan) -> None:
    off = load_plan(make_plan(training={"augmentation": {"rotation_3d_deg": 0, "elastic": 0}}))

    assert off.hash() == load_plan(make_plan()).hash()
    assert "elastic" not in off.canonical()
