"""Training on masks: it learns, to the same bits, under every algorithm."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
from flwr.supercore.task_identity import TaskIdentity
from tests.conftest import MakePlan
from tests.rounds import CPU, two_rounds
from tests.unit.client.masks.outlined_site import PATCHES, small_plan

from medfl_client.data.dataset import Examples, MaskedImages
from medfl_client.training.objectives.plain import Plain
from medfl_client.training.train import train
from medfl_common.errors import TrainingError
from medfl_common.models import build_model
from medfl_common.models.network import Network, of_image
from medfl_common.plan.algorithms import ALGORITHMS
from medfl_common.plan.plan import Plan, load_plan

VOLUMES: dict[str, object] = {"size": 16, "depth": 4, "dimensions": 3, "sample": "series"}


class Full(torch.nn.Conv3d):
    """A network that no memory takes."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.fixture(autouse=True)
def inside_a_run_on_one_thread() -> Iterator[None]:
    """Flower's rules need a run; a deterministic plan has one thread."""
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


@cache
def discs(n: int, *sides: int, seed: int = 0) -> MaskedImages:
    """Give noisy images of one bright disc or ball each, and where it is."""
    rng = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*map(np.arange, sides), indexing="ij"))
    centres = rng.uniform(0.35, 0.65, (n, len(sides))) * sides
    apart = (places[None] - centres.reshape(n, -1, *[1] * len(sides))) / np.array(sides).reshape(
        1, -1, *[1] * len(sides)
    )
    masks = ((apart**2).sum(axis=1) < 0.25**2).astype(np.uint8)
    noise = rng.normal(0, 0.15, (n, *sides))
    pixels = np.clip(90 + 80 * masks + 255 * noise, 0, 255).astype(np.uint8)[:, None]
    return MaskedImages(pixels, np.arange(n), torch.ones(n, 2), masks=masks, mask_rows=np.arange(n))


def plan_of(make_plan: MakePlan, **sections: dict[str, object]) -> Plan:
    model = {"name": "unet", "norm": "own", "width": 4, "levels": 2, **sections.pop("model", {})}
    training = {"lr": 0.05, "batch_size": 4, "precision": "float32", **sections.pop("training", {})}
    task: dict[str, object] = {"type": "segmentation", "classes": ["background", "disc"]}
    images = {"size": 16, **sections.pop("images", {})}
    return load_plan(
        make_plan(model=model, training=training, task=task, images=images, **sections)
    )


def dice(network: Network, images: MaskedImages) -> float:
    pixels, masks = images.batch(torch.arange(len(images)))
    with torch.no_grad():
        found = network.eval()(pixels).argmax(dim=1)
    return float(2 * ((found == 1) & (masks == 1)).sum() / ((found == 1).sum() + masks.sum()))


@pytest.mark.parametrize(
    ("sides", "model"),
    [
        ((24, 24), {"deep_supervision": True, "levels": 3}),
        ((24, 24), {"name": "segresnet_small"}),
        ((8, 16, 16), {"residual": True}),
    ],
    ids=str,
)
def test_a_small_network_learns_a_disc(
    sides: tuple[int, ...], model: dict[str, object], make_plan: MakePlan
) -> None:
    images = {"size": sides[-1]} | (VOLUMES | {"depth": sides[0]} if len(sides) == 3 else {})
    moves = {"augmentation": {"flip": True, "rotation_deg": 20}, "epochs": 12}
    plan = plan_of(make_plan, images=images, model=model, training=moves)
    network = build_model(plan)

    trained = train(network, discs(16, *sides), plan, 1, "a", Plain(), CPU)

    assert trained.n_steps == 48
    assert dice(network, discs(8, *sides, seed=1)) > 0.85


def images_of(number: int) -> Examples:
    return discs(6, 16, 16, seed=number)


@pytest.mark.parametrize("strategy", ALGORITHMS.names())
def test_every_algorithm_trains_a_segmentation_to_the_same_bits(
    strategy: str, make_plan: MakePlan
) -> None:
    federation = {"strategy": strategy, "rounds": 2, "bad_sites": 0, "min_sites": 1}
    plan = plan_of(make_plan, federation=federation, training={"epochs": 2})
    start = build_model(plan).state_dict()

    found, again = two_rounds(plan, images_of), two_rounds(plan, images_of)

    own = {name for site in found.values() for name in site.names("local")}
    for site, network in found.items():
        for name, tensor in network.state_dict().items():
            assert torch.isfinite(tensor).all()
            assert torch.equal(tensor, again[site].state_dict()[name])
    one, other = (found[site].state_dict() for site in list(found)[:2])
    assert {name for name in one if not torch.equal(one[name], other[name])} <= own
    assert any(not torch.equal(one[name], start[name]) for name in one)
    expected = {"fedbn": "norm", "fedper": "head", "fedrep": "head"}.get(strategy)
    assert all(expected in name for name in own) if expected else not own


def test_features_are_the_mean_over_space_of_what_the_head_sees(make_plan: MakePlan) -> None:
    network = build_model(plan_of(make_plan)).eval()
    pixels, _ = discs(6, 16, 16).batch(torch.arange(6))

    maps = network.backbone(pixels)

    assert network.features(pixels).shape == (6, network.n_features)
    torch.testing.assert_close(network.features(pixels), maps.mean(dim=(2, 3)))
    assert torch.equal(of_image([maps, maps[:, :, ::2, ::2]]), network.features(pixels))


@pytest.mark.parametrize("has_patch", [False, True])
def test_without_memory_it_says_which_size_to_lower(has_patch: bool) -> None:
    plan = small_plan(**(PATCHES if has_patch else {}))
    setting = r"images\.patch\.size" if has_patch else r"images\.size"

    with pytest.raises(TrainingError, match=f"or {setting} in the plan"):
        train(Full(1, 2, 1), discs(2, 8, 16, 16), plan, 1, "a", Plain(), CPU)
