"""Segmentation networks: a logit for each pixel or voxel and class, whatever the image's size."""

from itertools import pairwise

import pytest
import torch
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.models import DENSE, MODELS, build_model
from medfl_common.models.dense._blocks import TwoConvolutions
from medfl_common.models.dense._resolutions import Resolution, resolutions
from medfl_common.models.dense._tapped import ENCODERS
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.cost import build_empty, sizes, training_bytes

TASK: dict[str, object] = {"type": "segmentation", "classes": ["background", "lung", "heart"]}
VOLUMES: dict[str, object] = {"size": 24, "depth": 10, "dimensions": 3, "sample": "series"}


def segmentation(
    make_plan: MakePlan, images: dict[str, object] | None = None, **model: object
) -> Plan:
    """A plan for masks of pictures of 24 pixels, with unet."""
    choice = {"name": "unet", "norm": "own", **model}
    return load_plan(make_plan(task=TASK, model=choice, images=images or {}))


@pytest.mark.parametrize("name", DENSE.names())
@pytest.mark.parametrize("images", [{"size": 24}, {"size": 37, "channels": 3}, VOLUMES])
def test_every_network_gives_the_logits_of_each_place(
    name: str, images: dict[str, object], make_plan: MakePlan
) -> None:
    plan = segmentation(make_plan, images, name=name, levels=3, deep_supervision=True)
    network = build_model(plan)
    pixels = torch.randn(2, plan.images.channels, *plan.images.shape[1:])

    levels = network(pixels)
    network.eval()

    assert levels[0].shape == network(pixels).shape == (2, 3, *plan.images.shape[1:])
    for finer, coarser in pairwise(levels):
        both = zip(finer.shape[2:], coarser.shape[2:], strict=True)
        assert all(-(-fine // 2) == coarse for fine, coarse in both)
    larger = torch.randn(1, plan.images.channels, *(side + 7 for side in plan.images.shape[1:]))
    assert network(larger).shape[2:] == larger.shape[2:]


@pytest.mark.parametrize("name", MODELS.names())
def test_an_encoder_keeps_its_published_names_and_others_are_refused(
    name: str, make_plan: MakePlan
) -> None:
    images = {**VOLUMES, "size": 41} if name == "r3d_18" else {"size": 41}
    plan = segmentation(make_plan, images, encoder=name)
    if name not in ENCODERS:
        with pytest.raises(ConfigError, match=f"{name} cannot be the encoder of unet"):
            build_model(plan)
        return

    network = build_model(plan).eval()

    pixels = torch.randn(1, 1, *plan.images.shape[1:])
    assert network(pixels).shape == (1, 3, *plan.images.shape[1:])
    alone = {"name": name, "norm": "own"}
    whole = build_empty(load_plan(make_plan(model=alone, images=images)))
    theirs = {n.replace("backbone", "backbone.encoder", 1): t.shape
              for n, t in whole.backbone.state_dict(prefix="backbone.").items()}  # fmt: skip
    ours = {n: t.shape for n, t in network.state_dict().items() if "encoder" in n}
    assert ours.items() <= theirs.items()
    assert not any("classifier" in n or ".fc." in n for n in ours)


def test_slices_are_halved_while_there_are_enough_and_they_are_near(make_plan: MakePlan) -> None:
    thick = {**VOLUMES, "depth": 16, "size": 64, "spacing_mm": 1.0, "slice_mm": 4.0}
    few = {**VOLUMES, "depth": 6, "size": 64}

    far_apart = resolutions(segmentation(make_plan, thick, levels=5).images,
                            segmentation(make_plan, thick, levels=5).model)  # fmt: skip
    shallow = resolutions(segmentation(make_plan, few, levels=3).images,
                          segmentation(make_plan, few, levels=3).model)  # fmt: skip

    assert [level.stride[0] for level in far_apart] == [1, 1, 1, 2, 2]
    assert [level.kernel[0] for level in far_apart] == [1, 1, 3, 3, 3]
    assert [level.stride for level in shallow] == [(1, 1, 1), (1, 2, 2), (1, 2, 2)]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"name": "resnet18"}, "resnet18 answers for the whole image; for a segmentation name "),
        ({"name": "unett"}, "unknown segmentation network 'unett'; known: segresnet_small, unet"),
        ({"levels": 5}, "needs 32 pixels on a side, images.size is 24"),
        ({"encoder": "r3d_18"}, "r3d_18 does not fit images.dimensions: 2"),
        ({"encoder": "resnet18", "levels": 3}, "resnet18 brings its own levels"),
        ({"encoder": "resnet18"}, "resnet18 needs 32 pixels on a side"),
        ({"name": "segresnet_small", "residual": True}, "belong to unet"),
        ({"deep_supervision": True}, "2 levels has no coarser level to train"),
        ({"freeze": {"last": 9}}, "which has 4 layers in its encoder"),
        ({"weights": "imagenet"}, "no published weights for unet"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    model: dict[str, object], reason: str, make_plan: MakePlan
) -> None:
    with pytest.raises(ConfigError, match=reason):
        build_model(segmentation(make_plan, **model))


def test_a_segmentation_network_is_no_classifier(make_plan: MakePlan) -> None:
    with pytest.raises(ConfigError, match=r"unet is for segmentation and detection; for "):
        build_model(load_plan(make_plan(model={"name": "unet"})))


def test_the_start_and_its_size_follow_from_the_plan(make_plan: MakePlan) -> None:
    plan = segmentation(make_plan, width=8, levels=2, residual=True)

    one, other = shared_weights(build_model(plan)), shared_weights(build_model(plan))

    assert all(torch.equal(one[name], other[name]) for name in one)
    n_weights, each_round, _ = sizes(plan)
    # Level 1: 1 to 8, 8 to 8, shortcut; level 2: 8 to 16; up 16 to 8; 16 to 8; head; norms.
    by_hand = (72 + 576 + 8) + (1152 + 2304 + 128) + (512 + 8) + (1152 + 576 + 128) + 27
    by_hand += 2 * (8 * 3 + 16 * 3 + 8 * 3)
    assert n_weights == by_hand
    assert each_round == pytest.approx(4 * by_hand, rel=0.1)


def test_a_frozen_encoder_stays_and_decoder_and_head_travel(make_plan: MakePlan) -> None:
    frozen = segmentation(make_plan, freeze="all", norm="batch")
    network = build_model(frozen).train()

    pixels = torch.randn(2, 1, 24, 24)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network(pixels).square().mean().backward()

    assert all(name.startswith("backbone.encoder.") for name in network.names("start"))
    assert {name.split(".")[1] for name in network.names("shared")} == {"decoder", "0"}
    trained = {name for name, p in network.named_parameters() if p.grad is not None}
    assert trained == {n for n in network.names("shared") if "running" not in n}
    now = network.state_dict()
    assert all(torch.equal(now[name], before[name]) for name in network.names("start"))
    assert training_bytes(frozen) < training_bytes(segmentation(make_plan, norm="batch"))


def test_the_last_layers_of_an_encoder_and_local_norms(make_plan: MakePlan) -> None:
    last = build_model(segmentation(make_plan, freeze={"last": 1}, norm_layers="local"))

    convolutions = [n for n in last.names("shared") if n.startswith("backbone.encoder")]
    assert convolutions == ["backbone.encoder.1.second.weight"]
    local = last.names("local")
    assert any("decoder" in name for name in local)
    assert all("norm" in name for name in local)


@pytest.mark.slow  # monai takes 20 s to import
@pytest.mark.parametrize("residual", [False, True])
def test_a_block_is_monais(residual: bool) -> None:
    from monai.networks.blocks import UnetBasicBlock, UnetResBlock

    norm, act = ("GROUP", {"num_groups": 8}), ("leakyrelu", {"negative_slope": 0.01})
    kind = UnetResBlock if residual else UnetBasicBlock
    theirs = kind(3, 4, 8, 3, 2, norm, act)
    ours = TwoConvolutions(4, 8, Resolution((2, 2, 2), (3, 3, 3)), "group", residual)
    names = {"first": "conv1.conv", "first_norm": "norm1", "second": "conv2.conv",
             "second_norm": "norm2", "shortcut.0": "conv3.conv", "shortcut.1": "norm3"}  # fmt: skip
    state = theirs.state_dict()
    ours.load_state_dict(
        {n: state[f"{names[n.rpartition('.')[0]]}.{n.rpartition('.')[2]}"]
         for n in ours.state_dict()}
    )  # fmt: skip

    pixels = torch.randn(2, 4, 7, 12, 12)
    torch.testing.assert_close(ours(pixels), theirs(pixels))
