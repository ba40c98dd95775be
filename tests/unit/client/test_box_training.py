"""Training on boxes: it learns, in patches too, to the same bits under every algorithm."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
from flwr.supercore.task_identity import TaskIdentity
from tests.rounds import CPU, two_rounds
from tests.squares import VOLUMES, box_plan, squares

from medfl_client.data.dataset import BoxedImages, Examples
from medfl_client.data.own_shapes import OwnShapes
from medfl_client.data.patch_set import BoxPatchSet
from medfl_client.training.box_matching import match_by_centre
from medfl_client.training.detections import found_in
from medfl_client.training.losses import task_loss
from medfl_client.training.objectives.plain import Plain
from medfl_client.training.step import Stepper
from medfl_client.training.train import train
from medfl_client.training.windows import logits_of
from medfl_common.errors import ConfigError
from medfl_common.metrics.box_counts import HIT
from medfl_common.models import build_model
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights, shared_weights
from medfl_common.plan.algorithms import ALGORITHMS
from medfl_common.plan.images import Patch
from medfl_common.plan.plan import Plan
from medfl_common.wire.cost import sizes, training_bytes

DEEPER: dict[str, object] = {"width": 8, "levels": 3}


@pytest.fixture(autouse=True)
def inside_a_run_on_one_thread() -> Iterator[None]:
    """Flower's rules need a run; a deterministic plan has one thread."""
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


@cache
def pictures(n: int, seed: int = 0) -> BoxedImages:
    return squares(n, 32, 32, seed=seed)


def patches(n: int, seed: int = 0) -> BoxPatchSet:
    """Give volumes, to be cut into patches."""
    whole = squares(n, 20, 32, 32, seed=seed, most=6)
    shapes = OwnShapes([*whole.pixels], np.dtype(np.uint8))
    patch = Patch(size=16, depth=12, foreground=0.8)
    return BoxPatchSet(shapes, np.arange(n), whole.targets, patch, boxes=whole.boxes)


def sensitivity(network: Network, images: Examples, plan: Plan) -> tuple[float, float]:
    """Say which part of the boxes is found, and how much is found beside them, an image."""
    n_hit, n_boxes, n_false = 0, 0, 0
    for pixels, boxes in images.batches(torch.arange(len(images)), 1):
        with torch.no_grad():
            (found,) = found_in(logits_of(network.eval(), pixels, plan), plan)
        truth = boxes[0][~boxes[0, :, 0].isnan()].double().numpy()
        for k in (0, 1):
            own = (found.classes == k) & (found.scores > 0.3)
            true = truth[truth[:, 0] == k, 1:]
            outcome = match_by_centre(found.boxes[own].astype(float), true)
            n_hit += int((outcome == HIT).sum())
            n_false += int((outcome != HIT).sum())
        n_boxes += len(truth)
    return n_hit / n_boxes, n_false / len(images)


def test_a_small_network_learns_squares_and_discs() -> None:
    moves = {"augmentation": {"flip": True, "shift": 0.1}, "epochs": 20, "lr": 0.005}
    plan = box_plan(training=moves, model=DEEPER)
    network = build_model(plan)

    train(network, pictures(32), plan, 1, "a", Plain(), CPU)

    found, false = sensitivity(network, pictures(24, seed=1), plan)
    assert found > 0.9
    assert false < 0.5


@pytest.mark.slow
def test_it_learns_volumes_in_patches_and_finds_in_whole_ones() -> None:
    images = {**VOLUMES, "depth": 20, "patch": {"size": 16, "depth": 12}}
    plan = box_plan(images=images, training={"epochs": 30, "lr": 0.005}, model=DEEPER)
    network = build_model(plan)

    train(network, patches(32), plan, 1, "a", Plain(), CPU)

    found, false = sensitivity(network, patches(8, seed=1), plan)
    assert found > 0.8
    assert false < 3


def test_a_patch_has_the_boxes_whose_centre_it_holds() -> None:
    images = patches(12)
    order = images.order(torch.Generator().manual_seed(1))
    order = order.repeat(20, 1)
    order[:, 1:] = torch.rand(order[:, 1:].shape, generator=torch.Generator().manual_seed(2))

    n_around, n_patches = 0, 0
    for pixels, boxes in images.batches(order, 4):
        assert pixels.shape[1:] == (1, 12, 16, 16)
        for patch, own in zip(pixels[:, 0], boxes, strict=True):
            known = own[~own[:, 0].isnan()]
            n_patches, n_around = n_patches + 1, n_around + bool(len(known))
            low, high = known[:, 1:4] - known[:, 4:] / 2, known[:, 1:4] + known[:, 4:] / 2
            assert (low >= 0).all()
            assert (high <= torch.tensor([12, 16, 16])).all()
            for place in (known[:, 1:4]).long().tolist():
                assert patch[tuple(place)] > patch.median()

    only_around = Patch(size=16, depth=12, foreground=1)
    volumes = BoxPatchSet(
        images.pixels, images.rows, images.targets, only_around, boxes=images.boxes
    )
    has = ~images.boxes[..., 0].isnan().all(dim=1)
    drawn = volumes.chosen(torch.arange(12), torch.Generator().manual_seed(3))
    _, boxes = volumes.batch(drawn)
    assert torch.equal(~boxes[..., 0].isnan().all(dim=1), has)
    assert 0.3 < n_around / n_patches < 0.95


def images_of(number: int) -> Examples:
    return pictures(6, seed=number)


@pytest.mark.parametrize("strategy", ALGORITHMS.names())
def test_every_algorithm_trains_a_detection_to_the_same_bits(strategy: str) -> None:
    federation = {"strategy": strategy, "bad_sites": 0, "min_sites": 1}
    plan = box_plan(federation=federation, training={"epochs": 2, "optimizer": "sgd"})
    start = build_model(plan).state_dict()

    found, again = two_rounds(plan, images_of), two_rounds(plan, images_of)

    for site, network in found.items():
        for name, tensor in network.state_dict().items():
            assert torch.isfinite(tensor).all()
            assert torch.equal(tensor, again[site].state_dict()[name])
    one = next(iter(found.values())).state_dict()
    assert any(not torch.equal(one[name], start[name]) for name in one)


@pytest.mark.parametrize(
    ("model", "training"),
    [({"freeze": "all"}, {}), ({}, {"precision": "bfloat16"}), ({"norm": "batch"}, {}),
     ({"name": "segresnet_small"}, {}), ({"encoder": "resnet18", "width": None, "levels": None},
      {"batch_size": 6})],
    ids=str,
)  # fmt: skip
def test_other_networks_and_types_take_a_step(
    model: dict[str, object], training: dict[str, object]
) -> None:
    plan = box_plan(model=model, training=training)
    network = build_model(plan)
    before = shared_weights(network)

    trained = train(network, pictures(8), plan, 1, "a", Plain(), CPU)

    assert np.isfinite(trained.loss)
    after = shared_weights(network)
    assert any(not torch.equal(before[name], after[name]) for name in before)
    n_weights, n_bytes, _ = sizes(plan)
    assert n_bytes > 0
    assert training_bytes(plan) > 4 * n_weights


def test_halves_of_a_batch_give_the_gradient_of_the_whole() -> None:
    plan = box_plan(model={"norm": "group"})
    pixels, boxes = pictures(6).batch(torch.arange(6))

    def gradient(n_parts: int) -> Weights:
        network = build_model(plan)
        loss, optimizer = task_loss(plan), torch.optim.SGD(network.parameters(), lr=0.1)
        own = Stepper(network, optimizer, loss, Plain(), None, torch.float32, CPU, n_parts=n_parts)
        own.step(pixels, boxes)
        return {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}

    whole, halves = gradient(1), gradient(2)

    for name, tensor in whole.items():
        torch.testing.assert_close(halves[name], tensor, atol=1e-4, rtol=1e-3)


def test_a_classifier_is_refused_in_words() -> None:
    wrong = {"name": "resnet18", "width": None, "levels": None}

    with pytest.raises(ConfigError, match="answers for the whole image; for a detection name"):
        build_model(box_plan(model=wrong))
