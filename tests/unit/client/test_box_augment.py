"""Boxes that move with their images, and those of a part of an image."""

import numpy as np
import pytest
import torch

from medfl_client.data.boxed import inside
from medfl_client.training.augment import augment, augment_with_boxes
from medfl_common.models.input_scale import BLACK
from medfl_common.plan.training import Augmentation

STRAIGHT = {"flip": True, "flip_vertical": True, "shift": 0.2, "zoom": 0.3}
ALL = {**STRAIGHT, "rotation_deg": 90, "shear_deg": 20}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(4)


def painted(box: list[float], *lengths: int, is_round: bool) -> torch.Tensor:
    """Fill a box, or the ellipse in it, 1 on black."""
    d = len(lengths)
    grid = torch.meshgrid(*(torch.arange(side) + 0.5 for side in lengths), indexing="ij")
    apart = [
        2 * (places - at) / side for places, at, side in zip(grid, box[:d], box[d:], strict=True)
    ]
    if is_round:
        plane = apart[-2] ** 2 + apart[-1] ** 2 <= 1
        return (plane & (apart[0].abs() <= 1)).float()
    return torch.stack(apart).abs().amax(dim=0).le(1).float()


def bounds(image: torch.Tensor) -> list[float]:
    """Give centre and sides of what is filled."""
    found = []
    for places in torch.nonzero(image > 0.5).T.numpy():
        found.append((float(places.min()), float(places.max() + 1)))
    return [(a + b) / 2 for a, b in found] + [b - a for a, b in found]


@pytest.mark.parametrize("lengths", [(96, 96), (12, 96, 96)])
@pytest.mark.parametrize(("moves", "is_round"), [(STRAIGHT, False), (ALL, True)])
def test_a_box_goes_where_its_image_goes(
    moves: dict[str, object], is_round: bool, lengths: tuple[int, ...]
) -> None:
    d = len(lengths)
    settings = Augmentation.model_validate({**moves, "share": 0.8, "fill": "black"})
    box = [*[5.0] * (d - 2), 40.0, 52.0, *[6.0] * (d - 2), 20.0, 36.0]
    image = painted(box, *lengths, is_round=is_round)
    pixels = (image + BLACK).expand(24, 1, *lengths).clone()
    boxes = torch.tensor([[[1.0, *box], [torch.nan] * (1 + 2 * d)]]).expand(24, -1, -1).clone()

    changed, moved = augment_with_boxes(pixels, boxes, settings, generator())

    n_kept = 0
    for picture, (first, padding) in zip(changed[:, 0] - BLACK, moved, strict=True):
        assert padding.isnan().all()
        if not first.isnan().any():
            n_kept += 1
            assert float(first[0]) == 1
            np.testing.assert_allclose(first[1:], bounds(picture), atol=1.6)
    assert n_kept > 16
    assert 0 < sum(torch.equal(a, b) for a, b in zip(moved[:, 0], boxes[:, 0], strict=True)) < 12


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 6, 16, 16)])
def test_an_image_has_the_same_bits_with_boxes_and_without(shape: tuple[int, ...]) -> None:
    pixels = torch.randn(8, *shape)
    settings = Augmentation.model_validate({**ALL, "contrast": 0.3, "noise": 0.1})
    boxes = torch.rand(8, 3, 2 * len(shape) - 1)

    alone = augment(pixels, settings, generator(), 0.5)
    beside, _ = augment_with_boxes(pixels, boxes, settings, generator(), 0.5)
    plain, same = augment_with_boxes(pixels, boxes, Augmentation(), generator())

    assert torch.equal(alone, beside)
    assert torch.equal(plain, pixels)
    assert torch.equal(same, boxes)


def test_what_is_cut_ends_at_the_edge_and_a_centre_outside_is_no_box() -> None:
    boxes = torch.tensor([
        [0, 1.0, 5.0, 4.0, 4.0], [1, 5.0, 9.5, 2.0, 3.0], [0, -0.1, 5.0, 4.0, 4.0],
        [0, 5.0, 10.0, 4.0, 4.0], [1, 5.1, 5.2, 3.3, 3.4],
    ])  # fmt: skip

    found = inside(boxes, (8, 10))

    assert found[0].tolist() == [0, 1.5, 5.0, 3.0, 4.0]
    assert found[1].tolist() == [1, 5.0, 9.0, 2.0, 2.0]
    assert found[2:4].isnan().all()
    assert torch.equal(found[4], boxes[4])


def test_a_turned_round_lesion_keeps_its_box() -> None:
    settings = Augmentation(rotation_deg=180, share=1)
    boxes = torch.tensor([[[0, 16.0, 16.0, 10.0, 10.0]]]).expand(16, 1, 5).clone()

    _, moved = augment_with_boxes(torch.zeros(16, 1, 32, 32), boxes, settings, generator())

    torch.testing.assert_close(moved, boxes, atol=1e-4, rtol=0)
