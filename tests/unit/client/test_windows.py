"""Windows over images larger than the network looks at."""

import pytest
import torch
from torch import nn

from medfl_client.training.windows import window_weights, windowed
from medfl_common.models.input_scale import BLACK


def network(dimensions: int) -> nn.Module:
    torch.manual_seed(0)
    kind = nn.Conv2d if dimensions == 2 else nn.Conv3d
    return kind(1, 3, 5, padding=2).requires_grad_(False)


@pytest.mark.parametrize(("sides", "patch"), [((13, 30), (8, 8)), ((5, 9, 17), (8, 6, 8))])
def test_what_sees_one_place_says_the_same_in_windows(
    sides: tuple[int, ...], patch: tuple[int, ...]
) -> None:
    seen: list[torch.Size] = []

    def one_place(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(pixels.shape[2:])
        return torch.cat([pixels, -2 * pixels], dim=1)

    pixels = torch.randn(2, 1, *sides)
    found = windowed(one_place, pixels, patch)  # type: ignore[arg-type]

    torch.testing.assert_close(found, one_place(pixels))
    assert set(seen[:-1]) == {torch.Size(patch)}


def test_the_middle_of_a_window_counts_most() -> None:
    weight = window_weights((9, 4))

    assert weight.shape == (9, 4)
    assert float(weight[4].max()) == float(weight.max()) <= 1
    assert torch.equal(weight, weight.flip(0))
    assert float(weight.min()) >= 1e-3


@pytest.mark.slow  # monai takes 20 s to import
@pytest.mark.parametrize(
    ("sides", "patch", "overlap"),
    [
        ((37, 50), (16, 24), 0.5),
        ((20, 33, 41), (8, 16, 16), 0.5),
        ((9, 20, 30), (16, 16, 16), 0.25),
    ],
)
def test_windows_are_monais(sides: tuple[int, ...], patch: tuple[int, ...], overlap: float) -> None:
    from monai.inferers import sliding_window_inference

    model, pixels = network(len(sides)), torch.randn(2, 1, *sides)

    theirs = sliding_window_inference(
        pixels, patch, 2, model, overlap=overlap, mode="gaussian", cval=BLACK
    )

    torch.testing.assert_close(windowed(model, pixels, patch, overlap), theirs, atol=1e-5, rtol=0)
