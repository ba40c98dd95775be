"""The sites' halves of algorithms, against numbers worked out by hand."""

import math
from collections.abc import Mapping

import pytest
import torch
from tests.conftest import MakePlan
from torch import nn

from medfl_client.training.objectives import OBJECTIVES, ClientContext
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights
from medfl_common.plan.plan import load_plan

RATE = 0.1


def network() -> Network:
    """Two values in, the same two as features, one logit."""
    model = Network(nn.Linear(2, 2, bias=False), 2, 1)
    with torch.no_grad():
        model.backbone.weight.copy_(torch.eye(2))  # type: ignore[operator, union-attr]
    return model


def at(
    make_plan: MakePlan, model: Network, client_state: Weights | None = None,
    server_state: Weights | None = None, momentum: float = 0.0, **options: float,
) -> ClientContext:  # fmt: skip
    """A round that starts at the model as it is; what is shared is its first layer."""
    plan = load_plan(
        make_plan(federation={"options": options}, training={"momentum": momentum, "epochs": 3})
    )
    shared: Mapping[str, nn.Parameter] = {"w": model.backbone.weight}  # type: ignore[dict-item]
    start = {name: parameter.detach().clone() for name, parameter in shared.items()}
    return ClientContext(plan, RATE, model, shared, start, client_state or {}, server_state or {})


def put(context: ClientContext, weights: float, gradient: float) -> None:
    """Let training have come so far from the start, with such a gradient."""
    with torch.no_grad():
        context.parameters["w"].copy_(context.start["w"] + weights)
    context.parameters["w"].grad = torch.full((2, 2), gradient)


def gradient(context: ClientContext) -> float:
    found = context.parameters["w"].grad
    assert found is not None
    assert float(found.min()) == float(found.max())
    return float(found[0, 0])


def w(value: float) -> Weights:
    return {"w": torch.full((2, 2), value)}


def test_fedprox_adds_mu_times_the_way_from_the_rounds_weights(make_plan: MakePlan) -> None:
    context = at(make_plan, network(), fedprox_mu=0.5)
    objective = OBJECTIVES.get("fedprox")(context)
    put(context, 2.0, 0.25)

    objective.edit_gradients()

    assert gradient(context) == pytest.approx(0.25 + 0.5 * 2.0)
    assert objective.client_state(4) == {}


def test_feddyn_takes_its_own_gradient_off_and_keeps_a_new_one(make_plan: MakePlan) -> None:
    context = at(make_plan, network(), client_state=w(3.0), feddyn_alpha=0.5)
    objective = OBJECTIVES.get("feddyn")(context)
    put(context, 2.0, 0.25)

    objective.edit_gradients()

    assert gradient(context) == pytest.approx(0.25 - 3.0 + 0.5 * 2.0)
    assert float(objective.client_state(4)["w"][0, 0]) == pytest.approx(3.0 - 0.5 * 2.0)


def test_scaffold_corrects_by_both_variates_and_keeps_its_mean_gradient(
    make_plan: MakePlan,
) -> None:
    # c 1, c_k 0.25: the correction is 0.75. Four steps of 0.1 that went -2: c_k' = -0.75 + 2 / 0.4.
    context = at(make_plan, network(), client_state=w(0.25), server_state=w(1.0))
    objective = OBJECTIVES.get("scaffold")(context)
    put(context, -2.0, 0.5)

    objective.edit_gradients()

    assert gradient(context) == pytest.approx(0.5 + 0.75)
    assert float(objective.client_state(4)["w"][0, 0]) == pytest.approx(-0.75 + 2.0 / 0.4)
    # With momentum 0.5, two steps of gradients g go 0.1 (g + 1.5 g): as 2.5 plain ones.
    other = at(make_plan, network(), momentum=0.5)
    objective = OBJECTIVES.get("scaffold")(other)
    put(other, -1.0, 0.0)
    assert float(objective.client_state(2)["w"][0, 0]) == pytest.approx(1.0 / 0.25)


def test_moon_compares_features_with_the_common_and_the_last_local_model(
    make_plan: MakePlan,
) -> None:
    # Common features (1, 0); the last local model turns them to (0, 1). Own ones: (1, 0), so the
    # cosines are 1 and 0, over a temperature of 0.5: 2 and 0.
    model = network()
    turned = {"backbone.weight": torch.tensor([[0.0, 1.0], [1.0, 0.0]])}
    context = at(make_plan, model, client_state=turned, moon_mu=3.0, moon_temperature=0.5)
    objective = OBJECTIVES.get("moon")(context)
    pixels = torch.tensor([[1.0, 0.0]])

    model(pixels)
    extra = objective.extra_loss(pixels)

    assert extra is not None
    assert float(extra.detach()) == pytest.approx(3.0 * math.log(1 + math.exp(-2)))
    extra.backward()
    assert model.backbone.weight.grad is not None  # type: ignore[union-attr]
    objective.close()
    model(torch.tensor([[0.0, 5.0]]))  # no longer looked at
    again = objective.extra_loss(pixels)
    assert again is not None
    assert float(again.detach()) == pytest.approx(float(extra.detach()))


def test_ditto_pulls_only_its_own_model(make_plan: MakePlan) -> None:
    context = at(make_plan, network(), ditto_lambda=0.5)
    objective = OBJECTIVES.get("ditto")(context)
    put(context, 2.0, 0.25)

    objective.edit_gradients()
    assert gradient(context) == 0.25

    own = objective.personal_objective()
    assert own is not None
    own.edit_gradients()
    assert gradient(context) == pytest.approx(0.25 + 0.5 * 2.0)


def test_fedrep_trains_the_head_then_what_is_shared_then_leaves_all_trainable(
    make_plan: MakePlan,
) -> None:
    model = network()
    objective = OBJECTIVES.get("fedrep")(at(make_plan, model, fedrep_head_epochs=2))
    trained = []
    for epoch in range(3):
        objective.before_epoch(epoch)
        trained.append([n for n, p in model.named_parameters() if p.requires_grad])
    objective.close()

    head = ["head.1.weight", "head.1.bias"]
    assert trained == [head, head, ["backbone.weight"]]
    assert all(parameter.requires_grad for parameter in model.parameters())
