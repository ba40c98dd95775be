"""The self-test of updates: what can be read is found, and what cannot raises no alarm."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.conftest import MakePlan
from tests.unit.client.test_questions import Coordinator, ask, coordinator, decisions  # noqa: F401
from torch import nn

from medfl_client.config.folder import StateFolder
from medfl_client.data.dataset import ImageSet, SiteData
from medfl_client.egress import ledger
from medfl_client.egress.self_test import Reading, read
from medfl_client.task.picture_alarm import EVERY, in_words
from medfl_client.training.client_state import ClientState
from medfl_client.training.dense_inputs import dense_inputs
from medfl_client.training.frozen_features import feature_data
from medfl_client.training.local_round import train_locally
from medfl_common.models import build_model
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights, load_shared, shared_weights
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.tasks import TrainTask

CPU, SIZE = torch.device("cpu"), 32


def pictures(n: int, seed: int) -> ImageSet:
    """Smooth pictures of many sizes of blob on a common ground, of both classes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    places, widths = rng.uniform(0.2, 0.8, (n, 2)), rng.uniform(0.05, 0.3, n)
    targets = rng.integers(0, 2, n)
    found = np.zeros((n, 1, SIZE, SIZE))
    for i, ((a, b), width) in enumerate(zip(places, widths, strict=True)):
        blob = np.exp(-((y - a) ** 2 + (x - b) ** 2) / width**2 / (1 + targets[i]))
        found[i, 0] = 60 + 60 * x + rng.uniform(60, 130) * blob + rng.normal(0, 4, blob.shape)
    pixels = found.clip(0, 255).astype(np.uint8)
    return ImageSet(pixels, np.arange(n), torch.tensor(targets, dtype=torch.float32)[:, None])


def one_round(
    plan: Plan, model: Network, n: int, max_steps: int | None = None, noise: float = 0.0
) -> Reading | None:
    """Train on n pictures, and try to read them out of the update."""
    data = SiteData(pictures(n, 1), pictures(64, 2), pictures(1, 3))
    if plan.model.freeze == "all":
        data = feature_data(model, data, plan, "site-1", CPU)
    start = shared_weights(model)
    task = TrainTask("train", "0" * 32, 1, 0, "site-1", plan, start)
    _, update = train_locally(task, model, data.train, CPU, ClientState(), max_steps)
    load_shared(model, start)
    hidden = {
        name: tensor + noise * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1))
        for name, tensor in update.items()
    }
    return read(hidden, dense_inputs(model, hidden, data, plan, CPU))


def imprinted(plan: Plan) -> tuple[Network, Weights]:
    """A network whose first layer sorts pictures by their brightness, one bin a row."""
    body = nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, 128), nn.ReLU())
    model = Network(body, 128, 1)
    pixels, _ = next(pictures(512, 9).batches(torch.arange(512), 512))
    bins = pixels.mean(dim=(1, 2, 3)).quantile(torch.linspace(0.01, 0.99, 128))
    with torch.no_grad():
        body[1].weight.fill_(1 / SIZE**2)
        body[1].bias.copy_(-bins)
        model.head[1].weight.fill_(0.01)  # type: ignore[index, union-attr, operator]
    return model, shared_weights(model)


@pytest.fixture
def sgd(make_plan: MakePlan) -> Plan:
    return load_plan(make_plan(images={"size": SIZE}, training={"lr": 0.001, "batch_size": 64}))


def test_the_imprint_attack_is_found_and_gives_pictures_away(sgd: Plan) -> None:
    model, _ = imprinted(sgd)

    found = one_round(sgd, model, 40)

    assert found is not None
    assert found.is_picture
    assert found.n_found >= 10
    assert found.correlation > 0.999 > found.others
    assert "a picture of yours can be read out of this update" in in_words(found)


@pytest.mark.parametrize(("batch_size", "steps", "is_read"), [(1, 1, True), (16, 3, False)])
def test_a_step_of_one_image_gives_the_heads_input_away_and_a_round_does_not(
    batch_size: int, steps: int, is_read: bool, make_plan: MakePlan
) -> None:
    plan = load_plan(
        make_plan(
            images={"size": SIZE},
            model={"name": "resnet18", "freeze": "all"},
            training={"batch_size": batch_size},
        )
    )

    found = one_round(plan, build_model(plan), 40, steps)

    assert found is not None
    assert (found.n_found > 0) == is_read
    assert (found.correlation > 0.9999) == is_read


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [("resnet18", "sgd"), ("vit_tiny_16", "sgd"), ("efficientnet_b0", "sgd"),
     ("small_cnn", "adam")],
)  # fmt: skip
def test_an_ordinary_round_raises_no_alarm(name: str, optimizer: str, make_plan: MakePlan) -> None:
    norm = "own" if name.startswith("vit") else "group"
    plan = load_plan(
        make_plan(
            images={"size": SIZE},
            model={"name": name, "norm": norm},
            training={"optimizer": optimizer, "lr": 0.001, "batch_size": 16},
        )
    )

    found = one_round(plan, build_model(plan), 48)

    assert found is not None
    assert found.n_found == 0


def test_a_wide_layer_trained_by_sgd_gives_features_away_and_not_under_noise(sgd: Plan) -> None:
    """A unit that one image alone switches on has that image's features for its row."""
    plan = sgd.model_copy(update={"training": sgd.training.model_copy(update={"lr": 0.05})})

    found = one_round(plan, build_model(plan), 40)
    under_noise = one_round(plan, build_model(plan), 40, noise=0.01)

    assert found is not None
    assert found.n_found > 0
    assert not found.is_picture
    assert "from them a rough picture" in in_words(found)
    assert under_noise is not None
    assert under_noise.n_found == 0


@pytest.mark.parametrize(("mode", "code"), [("off", 0), ("tell", 0), ("stop", 400)])
def test_the_policy_says_what_becomes_of_an_update_that_can_be_read(
    mode: str,
    code: int,
    ask: Coordinator,  # noqa: F811
) -> None:
    assert ask.site.state is not None
    StateFolder(ask.site.state).patients_key.write_text("02" * 32)  # whose features can be read
    ask.site = replace(ask.site, policy=ask.site.policy.model_copy(update={"self_test": mode}))

    reply = ask.ask("train", 1)

    told = [line for line in ask.said if "can be read out of this update" in line]
    assert len(told) == (mode != "off")
    assert reply.metric_records["numbers"]["code"] == code
    assert ("update" in reply) == (code == 0)
    assert (decisions(ask) == ["refused: P22"]) == (mode == "stop")


def test_it_is_tried_in_the_first_round_and_every_tenth_after(
    ask: Coordinator,  # noqa: F811
) -> None:  # fmt: skip
    for round_ in (1, 2, 3):
        ask.ask("train", round_, ask.moved(0.01 * (round_ - 1)))
    state = ask.site.state
    assert state is not None

    lines = [*ledger.read_lines(state / "self-tests.jsonl")]
    assert [line["round"] for line in lines] == [1]
    assert EVERY == 10
    assert ledger.first_broken_line(state / "self-tests.jsonl") is None
