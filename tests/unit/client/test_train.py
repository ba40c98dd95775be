import numpy as np
import pytest
import torch
from tests.conftest import MakePlan

from medfl_client.data.dataset import ImageSet
from medfl_client.training.evaluate import count_scores, exact_auc, score
from medfl_client.training.objectives.plain import Plain
from medfl_client.training.train import train
from medfl_common.errors import TrainingError
from medfl_common.metrics.counts import auc
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan, load_plan

CPU = torch.device("cpu")


def images(n: int = 24, size: int = 24) -> ImageSet:
    rng = np.random.default_rng(0)
    targets = torch.tensor(rng.integers(0, 2, n), dtype=torch.float32)[:, None]
    pixels = rng.integers(0, 100, (n, 1, size, size)).astype(np.uint8)
    pixels[targets[:, 0].numpy() == 1, :, 4:12, 4:12] += 60
    return ImageSet(pixels, np.arange(n), targets)


def weights_after(plan: Plan, round_: int, site: str = "north") -> dict[str, torch.Tensor]:
    model = build_model(plan)
    train(model, images(), plan, round_, site, Plain(), CPU)
    return shared_weights(model)


def test_one_full_batch_step_is_gradient_descent(make_plan: MakePlan) -> None:
    plan = load_plan(
        make_plan(training={"batch_size": 64, "lr": 0.1, "momentum": 0.0, "precision": "float32"})
    )
    model = build_model(plan)
    before = shared_weights(model)
    pixels, targets = images().batch(torch.arange(24))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(model(pixels), targets)
    loss.backward()
    gradient = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    after = weights_after(plan, 1)

    for name, g in gradient.items():
        torch.testing.assert_close(after[name], before[name] - 0.1 * g, atol=1e-5, rtol=1e-4)


def test_a_round_is_the_same_again_and_differs_from_other_rounds_and_sites(plan: Plan) -> None:
    torch.manual_seed(1)
    one = weights_after(plan, 7)
    torch.manual_seed(2)
    again = weights_after(plan, 7)

    assert all(torch.equal(one[name], again[name]) for name in one)
    for other in (weights_after(plan, 8), weights_after(plan, 7, "south")):
        assert any(not torch.equal(one[name], other[name]) for name in one)


def test_training_learns_what_can_be_learnt(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(training={"epochs": 10}))
    model = build_model(plan)

    done = train(model, images(), plan, 1, "north", Plain(), CPU)
    logits, targets = score(model, images(), plan, CPU)

    assert (done.n_images, done.n_steps) == (24, 30)
    assert (exact_auc(logits, targets, plan) or 0) > 0.95


def test_a_loss_that_is_no_number_stops_the_round(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(training={"lr": 10.0, "epochs": 50}))
    corrupted = build_model(plan)
    with torch.no_grad():
        next(corrupted.parameters()).fill_(float("inf"))

    with pytest.raises(TrainingError, match="nothing was sent"):
        train(corrupted, images(), plan, 1, "north", Plain(), CPU)


def test_counts_add_up_and_their_auc_is_the_exact_one(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan())
    rng = np.random.default_rng(5)
    truth = torch.tensor(rng.integers(0, 2, 500), dtype=torch.float32)[:, None]
    logits = torch.tensor(rng.normal(0, 2, (500, 1)), dtype=torch.float32) + truth

    counted = count_scores(logits, truth, plan)

    assert counted.confusion.sum() == counted.n == 500
    assert counted.positive.sum() == truth.sum()
    assert auc(counted) == pytest.approx(exact_auc(logits, truth, plan), abs=0.005)


def test_multiclass_counts_go_by_true_row_and_predicted_column(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(task={"type": "multiclass", "classes": ["a", "b", "c"]}))
    logits = torch.tensor([[9.0, 0, 0], [0, 0, 9.0], [0, 9.0, 0]])
    truth = torch.eye(3)[[0, 1, 1]]

    assert count_scores(logits, truth, plan).confusion.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]


def test_images_reach_the_network_centred_and_scaled() -> None:
    pixels = np.array([0, 255], dtype=np.uint8).reshape(2, 1, 1, 1)

    batch, _ = ImageSet(pixels, np.array([1, 0]), torch.zeros(2, 1), 3).batch(torch.tensor([0, 1]))

    assert batch.shape == (2, 3, 1, 1)
    assert batch[:, 0, 0, 0].tolist() == pytest.approx([2.0, -2.0])
