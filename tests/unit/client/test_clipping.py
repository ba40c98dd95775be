"""Patients' gradients clipped with one backward pass, against torch.func's gradient by gradient."""

from collections.abc import Sequence

import pytest
import torch
from tests.conftest import MakePlan
from torch import nn
from torch.func import functional_call, grad

from medfl_client.training.clipping import MARGIN, PatientClipping
from medfl_common.errors import ConfigError
from medfl_common.models import build_model
from medfl_common.plan.plan import load_plan

Sums = dict[str, torch.Tensor]
NETWORKS = [
    ("small_cnn", 16, {}),
    ("resnet18", 32, {}),
    ("resnet50", 32, {}),
    ("densenet121", 32, {}),
    ("vgg16", 32, {"norm": "group"}),
    ("inception_v3", 75, {}),
    ("efficientnet_b0", 32, {"norm": "group"}),
]


def loss_of_each(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    losses = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return losses[:, 0]


def batch(n: int, channels: int, *sides: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    inputs = torch.randn((n, channels, *sides), generator=generator)
    return inputs.double(), (torch.arange(n) % 3 == 0).double()[:, None]


def one_by_one(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, n_images: Sequence[int], c: float
) -> tuple[Sums, torch.Tensor]:
    """Clip each patient's own gradient, and add up."""
    model.eval()
    trained = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}

    def loss(weights: Sums, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return loss_of_each(functional_call(model, weights, (x,)), y).mean()

    sums, lengths = {name: torch.zeros_like(p) for name, p in trained.items()}, []
    pairs = zip(*(torch.split(t, list(n_images)) for t in (inputs, targets)), strict=True)
    for x, y in pairs:
        own = grad(loss)(trained, x, y)
        length = torch.stack([g.norm() for g in own.values()]).norm()
        lengths.append(length)
        sums = {name: sums[name] + g * (c / length).clamp(max=1) for name, g in own.items()}
    return sums, torch.stack(lengths)


def clipped(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, n_images: Sequence[int], c: float
) -> tuple[Sums, torch.Tensor]:
    names = {id(p): name for name, p in model.named_parameters()}
    with PatientClipping(model, c / (1 - MARGIN), "tested") as clipping:
        lengths = clipping.add(inputs, targets, n_images, loss_of_each)
    pairs = zip(clipping.parameters, clipping.sums, strict=True)
    return {names[id(p)]: total for p, total in pairs}, lengths


def assert_alike(found: tuple[Sums, torch.Tensor], expected: tuple[Sums, torch.Tensor]) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(
    ("network", "n_images"),
    [(NETWORKS[0], (1, 1, 1)), (NETWORKS[1], (4,)), *((one, (2, 1)) for one in NETWORKS)],
    ids=str,
)
def test_the_sum_is_that_of_each_patients_own_clipped_gradient(
    make_plan: MakePlan, network: tuple[str, int, dict[str, object]], n_images: tuple[int, ...]
) -> None:
    name, size, settings = network
    plan = load_plan(make_plan(images={"size": size}, model={"name": name, **settings}))
    model, (inputs, targets) = build_model(plan), batch(sum(n_images), 1, size, size)
    if name == "vgg16":  # its dense layers are 120 M weights
        model.backbone.classifier, model.head = nn.Linear(512 * 7 * 7, 8), nn.Linear(8, 1)
    model.double()
    lengths = one_by_one(model, inputs, targets, n_images, 1e9)[1]
    clip = float(lengths.median())  # some are cut, some are not

    expected = one_by_one(model, inputs, targets, n_images, clip)

    assert_alike(clipped(model, inputs, targets, n_images, clip), expected)


@pytest.mark.parametrize(("name", "where"), [("vit_tiny_16", "all"), ("convnext_tiny", "dense")])
def test_adapters_are_clipped_beside_layers_that_could_not_be(
    name: str, where: str, make_plan: MakePlan
) -> None:
    weights = {"file": "w", "sha256": "0" * 64}
    choice = {"name": name, "norm": "own", "weights": weights, "adapters": {"where": where}}
    model = build_model(load_plan(make_plan(images={"size": 32}, model=choice))).double()
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, 0, 0.1)
    inputs, targets = batch(4, 1, 32, 32)

    expected = one_by_one(model, inputs, targets, (1, 2, 1), 0.5)

    assert_alike(clipped(model, inputs, targets, (1, 2, 1), 0.5), expected)
    assert len(expected[0]) == len(model.names("shared"))


class Odd(nn.Sequential):
    """Layers as they are rarely made: strides, groups, no bias, writing in place."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
            nn.GroupNorm(4, 8),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 8, (3, 1), groups=4),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 6, 1, stride=2, groups=2),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(6 * 3 * 4, 4),
            nn.Linear(4, 1),
        )
        self[8].weight.requires_grad_(False)


def test_rare_layers_are_clipped_too_and_a_frozen_weight_takes_no_part() -> None:
    torch.manual_seed(0)
    model, (inputs, targets) = Odd().double(), batch(7, 3, 16, 16)

    expected = one_by_one(model, inputs, targets, (2, 4, 1), 0.05)

    assert_alike(clipped(model, inputs, targets, (2, 4, 1), 0.05), expected)
    assert "8.weight" not in expected[0]


def test_volumes_and_slices_are_clipped_too(make_plan: MakePlan) -> None:
    volumes = {"size": 16, "dimensions": 3, "depth": 10, "sample": "series"}
    for model in (
        {"name": "small_cnn"},
        {"name": "small_cnn", "slices": "mean"},
    ):
        plan = load_plan(make_plan(images={**volumes, "modality": ["CT"]}, model=model))
        network, (inputs, targets) = build_model(plan).double(), batch(4, 1, 10, 16, 16)

        expected = one_by_one(network, inputs, targets, (1, 2, 1), 0.5)

        assert_alike(clipped(network, inputs, targets, (1, 2, 1), 0.5), expected)


def test_a_draw_in_parts_gives_the_sum_of_the_whole_and_an_empty_draw_nothing() -> None:
    torch.manual_seed(0)
    model, (inputs, targets) = Odd().double(), batch(6, 3, 16, 16)
    whole = clipped(model, inputs, targets, (1, 3, 2), 0.05)[0]

    with PatientClipping(model, 0.05 / (1 - MARGIN), "tested") as clipping:
        assert len(clipping.add(inputs[:0], targets[:0], (), loss_of_each)) == 0
        assert not any(total.any() for total in clipping.sums)
        for part, n_images in ((slice(0, 4), (1, 3)), (slice(4, 6), (2,))):
            clipping.add(inputs[part], targets[part], n_images, loss_of_each)

    for total, expected in zip(clipping.sums, whole.values(), strict=True):
        torch.testing.assert_close(total, expected, rtol=1e-7, atol=1e-12)


def test_a_patient_with_a_damaged_image_adds_nothing_and_harms_nobody() -> None:
    torch.manual_seed(0)
    model, (inputs, targets) = Odd().double(), batch(4, 3, 16, 16)
    alone = clipped(model, inputs[:2], targets[:2], (1, 1), 0.05)[0]
    inputs[3, 0, 5, 5] = torch.nan

    both, lengths = clipped(model, inputs, targets, (1, 1, 2), 0.05)

    assert lengths.isfinite().tolist() == [True, True, False]
    for name, total in both.items():
        torch.testing.assert_close(total, alone[name], rtol=1e-7, atol=1e-12)


def test_no_patient_moves_the_sum_by_more_than_the_clip() -> None:
    torch.manual_seed(0)
    model, (inputs, targets) = Odd().double(), batch(3, 3, 16, 16)

    for scale in (1e-3, 1.0, 1e3, 1e6):
        with PatientClipping(model, 0.01, "tested") as clipping:
            clipping.add(inputs * scale, targets, (3,), loss_of_each)
        assert torch.cat([total.flatten() for total in clipping.sums]).norm() <= 0.01


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e6])
def test_images_whose_gradients_cancel_add_no_more_than_the_clip(scale: float) -> None:
    torch.manual_seed(0)
    head = nn.Linear(1280, 4)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    base, apart = (nn.functional.normalize(torch.randn(1280), dim=0) for _ in range(2))
    images = torch.stack([base * scale, base * scale + 10 * apart])  # alike, of opposite labels
    clipping = PatientClipping(head, 1.0, "head")

    with clipping:
        targets = torch.stack([torch.ones(4), torch.zeros(4)])
        lengths = clipping.add(images, targets, [2], lambda x, y: loss_of_each(x, y) * 2)

    assert float(lengths) == pytest.approx(5.0, rel=0.05)
    assert torch.cat([s.flatten() for s in clipping.sums]).norm() <= 1


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.BatchNorm2d(3), "trains 0, a BatchNorm2d"),
        (nn.LayerNorm(8), "trains 0, a LayerNorm"),
        (nn.MultiheadAttention(4, 2), "trains 0, a MultiheadAttention"),
        (nn.Conv2d(3, 3, 3, padding="same"), "trains 0, a Conv2d"),
        (nn.Conv2d(3, 3, 3, dilation=2), "trains 0, a Conv2d"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_network_with_another_layer_is_refused_by_its_name(layer: nn.Module, said: str) -> None:
    with pytest.raises(ConfigError, match=f"a_network {said}"):
        PatientClipping(nn.Sequential(layer), 1.0, "a_network")


def test_a_layer_used_twice_is_refused() -> None:
    layer = nn.Linear(4, 4)
    model = nn.Sequential(layer, layer, nn.Linear(4, 1))

    with (
        PatientClipping(model, 1.0, "twice") as clipping,
        pytest.raises(ConfigError, match="twice uses a layer twice"),
    ):
        clipping.add(torch.ones(2, 4), torch.ones(2, 1), (1, 1), loss_of_each)
