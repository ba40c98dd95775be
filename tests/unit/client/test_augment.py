"""Random changes: which images, what moves in, and the same bits from the same generator."""

import numpy as np
import pytest
import torch
from tests.conftest import MakePlan

from medfl_client.commands.plan_summary import summarise
from medfl_client.training.augment import BLACK, RANGE, augment
from medfl_common.plan.plan import load_plan
from medfl_common.plan.training import Augmentation

EVERY = {
    "flip": True, "flip_vertical": True, "rotation_deg": 30, "shift": 0.2, "zoom": 0.2,
    "shear_deg": 20, "contrast": 0.3, "noise": 0.1,
}  # fmt: skip


def pictures(n: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.rand((n, *shape), generator=generator) * RANGE + BLACK


def changed(pixels: torch.Tensor, seed: int = 0, **settings: object) -> torch.Tensor:
    return augment(pixels, Augmentation(**settings), torch.Generator().manual_seed(seed))


def n_changed(before: torch.Tensor, after: torch.Tensor) -> int:
    return sum(not torch.equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_a_share_of_the_images_changes_and_the_others_keep_every_bit(share: float) -> None:
    pixels = pictures(400, 1, 8, 8)

    found = changed(pixels, share=share, **EVERY)

    assert n_changed(pixels, found) == pytest.approx(400 * share, abs=30)


def test_by_default_some_images_stay_as_they_are() -> None:
    pixels = pictures(64, 1, 8, 8)

    assert 8 < n_changed(pixels, changed(pixels, noise=0.1)) < 56
    assert changed(pixels) is pixels


def test_an_edge_goes_on_and_black_moves_in_where_the_plan_says_so() -> None:
    pixels = torch.zeros(64, 1, 8, 8)

    assert torch.allclose(changed(pixels, shift=0.5, share=1, fill="edge"), pixels)
    assert changed(pixels, shift=0.5, share=1, fill="black").min() == pytest.approx(BLACK)


def test_moved_images_are_torchvisions_to_the_last_digits() -> None:
    from torchvision.transforms.v2 import functional as transforms

    pixels = pictures(16, 1, 32, 32)
    settings = {k: v for k, v in EVERY.items() if k not in ("contrast", "noise")}

    found = changed(pixels, seed=3, fill="black", share=1, **settings)

    draws = torch.rand((16, 8), generator=torch.Generator().manual_seed(3)) * 2 - 1
    for picture, new, (mirror, turn, right, down, grow, upturn, slant, _) in zip(
        pixels, found, draws.tolist(), strict=True
    ):
        old = picture - BLACK  # without a fill torchvision does not blend it twice at the border
        old = transforms.horizontal_flip(old) if mirror > 0 else old
        old = transforms.vertical_flip(old) if upturn > 0 else old
        expected = transforms.affine(
            old, turn * 30, [right * 0.2 * 32, down * 0.2 * 32], 1 + grow * 0.2, [slant * 20, 0.0],
            transforms.InterpolationMode.BILINEAR,
        )  # fmt: skip
        torch.testing.assert_close(new, expected + BLACK, atol=5e-5, rtol=0)


def test_a_mirrored_image_has_the_bits_of_the_first() -> None:
    pixels = pictures(32, 1, 8, 8)

    found = changed(pixels, flip=True, share=1)

    both = zip(pixels, found, strict=True)
    assert all(torch.equal(new, old) or torch.equal(new, old.flip(-1)) for old, new in both)
    assert 4 < n_changed(pixels, found) < 28


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 6, 16, 16)])
def test_the_same_generator_gives_the_same_bits_in_every_layout(shape: tuple[int, ...]) -> None:
    pixels = pictures(8, *shape)
    layout = torch.channels_last if len(shape) == 3 else torch.channels_last_3d

    one = changed(pixels, **EVERY)
    other = changed(pixels.contiguous(memory_format=layout), **EVERY)

    assert torch.equal(one, other)
    assert other.is_contiguous(memory_format=layout)


def test_the_planes_of_a_volume_move_alike() -> None:
    plane = pictures(4, 1, 1, 16, 16)
    volume = plane.expand(-1, -1, 5, -1, -1).contiguous()

    found = changed(volume, rotation_deg=40, shift=0.2, share=1)

    assert n_changed(volume, found) == 4
    for depth in range(5):
        assert torch.equal(found[:, :, depth], found[:, :, 0])


def test_share_and_fill_are_part_of_a_hash_where_they_are_not_the_defaults(
    make_plan: MakePlan,
) -> None:
    default = Augmentation()
    moves = {"flip": True}
    plan = load_plan(make_plan(training={"augmentation": moves}))
    same = {"share": default.share, "fill": default.fill}
    named = load_plan(make_plan(training={"augmentation": moves | same}))
    every = load_plan(make_plan(training={"augmentation": moves | {"share": 1.0}}))
    black = load_plan(make_plan(training={"augmentation": moves | {"fill": "black"}}))

    assert plan.hash() == named.hash()
    assert len({plan.hash(), every.hash(), black.hash()}) == 3
    assert '"share"' not in plan.canonical()
    (step,) = [answer for _, answer in summarise(every) if "learning rate" in answer]
    assert "100% of the images change at random by: flip" in step


def test_noise_has_the_plans_deviation_on_the_chosen_images_alone() -> None:
    pixels = torch.zeros(200, 1, 16, 16)

    found = changed(pixels, noise=0.1, share=0.5)

    is_chosen = (found != 0).flatten(1).any(dim=1)
    assert float(found[is_chosen].std()) == pytest.approx(0.1 * RANGE, rel=0.05)
    assert np.count_nonzero(is_chosen) == pytest.approx(100, abs=20)
