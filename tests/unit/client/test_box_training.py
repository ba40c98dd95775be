"""Training on boxes: it learns, in patches too, to the same bits under every algorithm."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
from flwr.supercore.task_identity import TaskIdentity
from tests.squares import VOLUMES, box_plan, squares

from medfl_client.data.dataset import BoxedImages, Examples
from medfl_client.data.own_shapes import OwnShapes
from medfl_client.data.patch_set import BoxPatchSet
from medfl_client.training.client_state import ClientState
from medfl_client.training.detections import found_in, overlaps
from medfl_client.training.evaluate import loss_on_boxes
from medfl_client.training.local_round import train_locally
from medfl_client.training.losses import task_loss
from medfl_client.training.objectives.plain import Plain
from medfl_client.training.train import train
from medfl_client.training.windows import logits_of
from medfl_common.models import build_model
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights, load_shared, shared_weights
from medfl_common.plan.algorithms import ALGORITHMS
from medfl_common.plan.images import Patch
from medfl_common.plan.plan import Plan
from medfl_common.wire.cost import sizes, training_bytes
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import TrainTask
from medfl_server.aggregation.aggregator import RoundAggregation, needs

CPU = torch.device("cpu")


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
    """Cut volumes of several depths out of larger ones."""
    whole = squares(n, 20, 32, 32, seed=seed, most=5)
    own = [volume[:, : 20 - i % 3] for i, volume in enumerate(whole.pixels)]
    inside = whole.boxes[..., 1:2] + whole.boxes[..., 4:5] / 2 <= 18
    boxes = torch.where(inside, whole.boxes, torch.nan)
    shapes = OwnShapes(own, np.dtype(np.uint8))
    rows = np.arange(n)
    return BoxPatchSet(shapes, rows, whole.targets, Patch(size=16, depth=8), boxes=boxes)


def sensitivity(network: Network, images: Examples, plan: Plan) -> tuple[float, float]:
    """Say which part of the boxes is found, and how much is found beside them, an image."""
    n_hit, n_boxes, n_false = 0, 0, 0
    for pixels, boxes in images.batches(torch.arange(len(images)), 1):
        with torch.no_grad():
            (found,) = found_in(logits_of(network.eval(), pixels, plan), plan)
        truth = boxes[0][~boxes[0, :, 0].isnan()].numpy()
        is_sure = found.scores > 0.3
        same = overlaps(truth[:, 1:], found.boxes[is_sure]) > 0.4
        same &= truth[:, :1] == found.classes[is_sure]
        n_hit, n_boxes = n_hit + int(same.any(axis=1).sum()), n_boxes + len(truth)
        n_false += int((~same.any(axis=0)).sum())
    return n_hit / n_boxes, n_false / len(images)


def test_a_small_network_learns_squares_and_discs() -> None:
    moves = {"augmentation": {"flip": True, "shift": 0.1}, "epochs": 20}
    plan = box_plan(training=moves, model={"width": 8})
    network = build_model(plan)

    train(network, pictures(32), plan, 1, "a", Plain(), CPU)

    found, false = sensitivity(network, pictures(24, seed=1), plan)
    assert found > 0.9
    assert false < 0.5


def test_it_learns_volumes_in_patches_and_finds_in_whole_ones() -> None:
    images = {**VOLUMES, "depth": 20, "patch": {"size": 16, "depth": 8}}
    plan = box_plan(images=images, training={"epochs": 40}, model={"width": 8})
    network = build_model(plan)

    train(network, patches(16), plan, 1, "a", Plain(), CPU)

    found, false = sensitivity(network, patches(8, seed=1), plan)
    assert found > 0.8
    assert false < 1


def test_a_patch_has_the_boxes_whose_centre_it_holds() -> None:
    images = patches(12)
    order = images.order(torch.Generator().manual_seed(1))
    order = order.repeat(20, 1)
    order[:, 1:] = torch.rand(order[:, 1:].shape, generator=torch.Generator().manual_seed(2))

    n_around, n_patches = 0, 0
    for pixels, boxes in images.batches(order, 4):
        assert pixels.shape[1:] == (1, 8, 16, 16)
        for patch, own in zip(pixels[:, 0], boxes, strict=True):
            known = own[~own[:, 0].isnan()]
            n_patches, n_around = n_patches + 1, n_around + bool(len(known))
            low, high = known[:, 1:4] - known[:, 4:] / 2, known[:, 1:4] + known[:, 4:] / 2
            assert (low >= 0).all()
            assert (high <= torch.tensor([8, 16, 16])).all()
            for place in (known[:, 1:4]).long().tolist():
                assert patch[tuple(place)] > patch.median()

    only_around = Patch(size=16, depth=8, foreground=1)
    volumes = BoxPatchSet(
        images.pixels, images.rows, images.targets, only_around, boxes=images.boxes
    )
    has = ~images.boxes[..., 0].isnan().all(dim=1)
    drawn = volumes.chosen(torch.arange(12), torch.Generator().manual_seed(3))
    _, boxes = volumes.batch(drawn)
    assert torch.equal(~boxes[..., 0].isnan().all(dim=1), has)
    assert 0.3 < n_around / n_patches < 0.95


def test_the_loss_on_a_set_is_the_mean_over_its_images() -> None:
    plan, images = box_plan(), pictures(6)
    network = build_model(plan)

    found = loss_on_boxes(network, images, plan, CPU)

    each = [task_loss(plan)(network(p), b) for p, b in images.batches(torch.arange(6), 1)]
    assert found == pytest.approx(float(torch.stack(each).mean().detach()), rel=1e-4)
    assert loss_on_boxes(network, pictures(0), plan, CPU) == 0


def one_round(
    plan: Plan, round_: int, before: Weights, state: Weights, kept: dict[str, ClientState],
    networks: dict[str, Network],
) -> tuple[Weights, Weights]:  # fmt: skip
    """Train at every site from the common weights, and join what they send."""
    joining = RoundAggregation(plan, before, round_, len(networks), state)
    for seed, (site, network) in enumerate(networks.items()):
        load_shared(network, before)
        task = TrainTask("train", "0" * 32, round_, 0, site, plan, before, server_state=state)
        after = ClientState(kept[site].after)
        trained, update = train_locally(task, network, pictures(6, seed=seed), CPU, after)
        kept[site] = after
        result = TrainResult("0", round_, 0, n_images=6, n_steps=trained.n_steps, start_loss=1.0)
        joining.add(site, TrainResult(**{**vars(result), "update": update}))
    return joining.finish()


def two_rounds(plan: Plan) -> dict[str, Network]:
    sites = [f"site-{i}" for i in range(max(2, needs(plan.federation)))]
    networks = {site: build_model(plan) for site in sites}
    kept = {site: ClientState() for site in sites}
    before, state = shared_weights(networks[sites[0]]), {}
    for round_ in (1, 2):
        before, state = one_round(plan, round_, before, state, kept, networks)
    for network in networks.values():
        load_shared(network, before)
    return networks


@pytest.mark.parametrize("strategy", ALGORITHMS.names())
def test_every_algorithm_trains_a_detection_to_the_same_bits(strategy: str) -> None:
    federation = {"strategy": strategy, "bad_sites": 0, "min_sites": 1}
    plan = box_plan(federation=federation, training={"optimizer": "sgd", "lr": 0.001})
    start = build_model(plan).state_dict()

    found, again = two_rounds(plan), two_rounds(plan)

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
