"""Losses and image steps as data: torch's own values, the built-in twins' bits, and refusals."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional

from medfl_client.training.losses import each_image_loss, training_loss
from medfl_common.errors import ConfigError
from medfl_common.models import build_model
from medfl_common.plan.plan import Plan, load_plan
from medfl_sim.graphs.make_part import loss_shapes, make_part
from medfl_sim.graphs.module_file import part_of

FOCAL = """
import torch
from torch.nn import functional as F

def focal(logits, targets):
    each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((1 - torch.exp(-each)) ** 2 * each).mean(dim=1)

def plain(logits, targets):
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean()

def dice_ce(logits, targets):
    truth = F.one_hot(targets.long(), 3).movedim(-1, 1).float()
    chance = logits.softmax(1)
    shared = 2 * (chance * truth).sum((2, 3)) + 1e-5
    dice = shared / (chance.sum((2, 3)) + truth.sum((2, 3)) + 1e-5)
    return 1 - dice[:, 1:].mean(1) + F.cross_entropy(logits, targets.long())

def joined(logits, targets):
    each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
    return each * each.sum()

def by_class(logits, targets):
    return (logits > 0).float().mean() + 0 * targets.mean()

def sharpened(pixels):
    blurred = F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="reflect"), 3, 1)
    return pixels + 0.5 * (pixels - blurred)

def centred(pixels):
    return pixels - pixels.mean()

def smaller(pixels):
    return pixels[:, :, ::2, ::2]
"""
PLAN = """\
plan: 1
study: losses
seed: 5
task: {type: binary, classes: [normal, opacity]}
images: {modality: [DX, CR], size: 28}
model: {name: small_cnn, norm: group}
training: {lr: 0.1, batch_size: 16, precision: float32}
federation: {rounds: 2}
"""


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], nn.Module]:
    (tmp_path / "own.py").write_text(FOCAL)
    steps = ("sharpened", "centred", "smaller")
    return lambda name: part_of(
        f"{tmp_path / 'own.py'}:{name}", "image" if name in steps else "loss"
    )


def planned(folder: Path, module: nn.Module, gives: str, shapes: list[tuple[int, ...]]) -> Plan:
    lines = make_part(module, gives, shapes, folder / "part.json", lambda line: None)  # type: ignore[arg-type]
    values = yaml.safe_load(PLAN)
    for section, more in yaml.safe_load(lines).items():
        values[section] |= more
    (folder / "plan.yaml").write_text(yaml.safe_dump(values))
    return load_plan(folder / "plan.yaml")


@pytest.mark.parametrize("name", ["focal", "plain", "dice_ce"])
def test_value_and_gradient_are_those_of_the_authors_function(
    own: Callable[[str], nn.Module], tmp_path: Path, name: str
) -> None:
    image = (1, 8, 8) if name == "dice_ce" else None
    shapes = loss_shapes(3 if image else 1, image)
    said: list[str] = []

    make_part(own(name), "loss", shapes, tmp_path / "loss.json", said.append)

    assert said[0] == "checked: value and gradient differ by at most 0.0e+00"


def test_a_study_is_trained_on_it_and_noise_needs_that_of_each_image(
    own: Callable[[str], nn.Module], tmp_path: Path
) -> None:
    plan = planned(tmp_path, own("focal"), "loss", loss_shapes(1, None))
    logits, targets = torch.tensor([[0.3], [-2.0]]), torch.tensor([[1.0], [1.0]])
    each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    wanted = ((1 - torch.exp(-each)) ** 2 * each)[:, 0]

    build_model(plan)

    assert torch.equal(training_loss(plan, targets)(logits, targets), wanted.mean())
    assert torch.equal(each_image_loss(plan)(logits, targets), wanted)


def test_for_noise_a_loss_sees_one_image_at_a_time_so_that_none_joins_two(
    own: Callable[[str], nn.Module], tmp_path: Path
) -> None:
    plan = planned(tmp_path, own("joined"), "loss", loss_shapes(1, None))
    logits, targets = torch.tensor([[0.3], [-2.0]]), torch.tensor([[1.0], [1.0]])
    each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")[:, 0]

    assert torch.allclose(training_loss(plan, targets)(logits, targets), (each * each.sum()).mean())
    assert torch.allclose(each_image_loss(plan)(logits, targets), each**2)


def test_an_image_step_is_part_of_the_network_wherever_it_looks(
    own: Callable[[str], nn.Module], tmp_path: Path
) -> None:
    plan = planned(tmp_path, own("sharpened"), "image", [(1, 28, 28)])
    network, images = build_model(plan).eval(), torch.randn(3, 1, 28, 28)
    bare = build_model(plan).eval()
    bare.step = None

    assert torch.equal(network(images), bare(own("sharpened")(images)))
    assert torch.equal(network.features(images), bare.features(own("sharpened")(images)))
    assert [*network.state_dict()] == [*bare.state_dict()]


@pytest.mark.parametrize(
    ("name", "gives", "words"),
    [
        ("by_class", "loss", "does not depend on the logits"),
        ("centred", "image", "depends on the others of its batch"),
    ],
)
def test_what_is_no_loss_or_no_step_is_told_at_the_desk(
    own: Callable[[str], nn.Module], tmp_path: Path, name: str, gives: str, words: str
) -> None:
    shapes = loss_shapes(1, None) if gives == "loss" else [(1, 28, 28)]
    with pytest.raises(ConfigError, match=words):
        make_part(own(name), gives, shapes, tmp_path / "part.json", print)  # type: ignore[arg-type]


def test_a_part_in_the_wrong_place_or_of_another_shape_is_refused_by_the_plan(
    own: Callable[[str], nn.Module], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"gives 14 x 14|gives 1 x 14 x 14 for an image"):
        build_model(planned(tmp_path, own("smaller"), "image", [(1, 28, 28)]))
    with pytest.raises(ConfigError, match="takes 2 and 2 of an image, the plan's are 1 and 1"):
        build_model(planned(tmp_path, own("focal"), "loss", loss_shapes(2, None)))
