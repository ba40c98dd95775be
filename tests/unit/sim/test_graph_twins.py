"""torchvision's networks as graphs: after a few steps the bits of the eager network."""

from collections.abc import Callable

import pytest
import torch
from tests.graphs import after_steps, digest, twins
from torch import nn

SIDE = 64
SMALL = (3, SIDE, SIDE)


def torchvision(name: str, **options: object) -> nn.Module:
    from torchvision.models import get_model

    torch.manual_seed(1)
    module: nn.Module = get_model(name, weights=None, num_classes=3, **options)
    return module


def same_bits(module: nn.Module, shape: tuple[int, ...], norm: str) -> None:
    ours, eager, _ = twins(module, shape, norm)
    assert digest(ours) == digest(eager)

    trained = after_steps(ours, shape)

    assert trained == after_steps(eager, shape)
    assert trained != digest(module)
    assert all(bool(parameter.isfinite().all()) for parameter in ours.parameters())


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_a_resnet_trains_to_the_same_bits(norm: str) -> None:
    same_bits(torchvision("resnet18"), SMALL, norm)


def test_dropout_and_attention_draw_the_same_bits() -> None:
    from torchvision.models import VisionTransformer

    network = VisionTransformer(32, 16, 2, 2, 32, 64, dropout=0.1, num_classes=3)

    same_bits(network, (3, 32, 32), "group")


OTHERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet50": (lambda: torchvision("resnet50"), SMALL),
    "densenet121": (lambda: torchvision("densenet121"), SMALL),
    "mobilenet_v3_small": (lambda: torchvision("mobilenet_v3_small"), SMALL),
    "convnext_tiny": (lambda: torchvision("convnext_tiny"), SMALL),
    "efficientnet_b0": (lambda: torchvision("efficientnet_b0"), SMALL),
    "vgg11": (lambda: torchvision("vgg11"), (3, 32, 32)),
    "googlenet": (lambda: torchvision("googlenet", aux_logits=False, init_weights=False), SMALL),
    "vit_b_16": (lambda: torchvision("vit_b_16", image_size=32), (3, 32, 32)),
    "swin_t": (lambda: torchvision("swin_t"), SMALL),
    "r3d_18": (lambda: torchvision("r3d_18"), (3, 8, 32, 32)),
    "regnet_y_400mf": (lambda: torchvision("regnet_y_400mf"), SMALL),
    "shufflenet_v2_x0_5": (lambda: torchvision("shufflenet_v2_x0_5"), SMALL),
    "squeezenet1_1": (lambda: torchvision("squeezenet1_1"), SMALL),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_networks_of_torchvision_train_to_the_same_bits(name: str) -> None:
    make, shape = OTHERS[name]

    same_bits(make(), shape, "group")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v3_small", "efficientnet_b0", "r3d_18"])
def test_batch_norms_and_their_statistics_move_as_in_the_eager_network(name: str) -> None:
    make, shape = OTHERS[name]

    same_bits(make(), shape, "batch")
