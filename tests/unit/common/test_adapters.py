"""Low-rank adapters: their numbers by hand, what of them travels, and how sites' are averaged."""

import math
from collections.abc import Mapping

import pytest
import torch
from tests.conftest import MakePlan
from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models import build_model
from medfl_common.models.adapters import AdaptedAttention, Adapter, adapt, is_adapter, merged
from medfl_common.models.network import Network
from medfl_common.models.weights import load_shared
from medfl_common.plan.model_choice import Adapters
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.cost import build_empty, sizes
from medfl_common.wire.results import TrainResult
from medfl_server.aggregation.aggregator import RoundAggregation

A_FILE = {"file": "w.safetensors", "sha256": "0" * 64}


@pytest.fixture
def vit_plan(make_plan: MakePlan) -> Plan:
    model = {"name": "vit_tiny_16", "norm": "own", "weights": A_FILE, "adapters": {"where": "all"}}
    return load_plan(make_plan(images={"size": 32}, model=model))


def without(plan: Plan) -> Network:
    return build_model(plan.model_copy(update={"model": plan.model.model_copy(
        update={"adapters": None})}))  # fmt: skip


def moved(network: nn.Module) -> nn.Module:
    """Give the adapters something to add, as training does."""
    torch.manual_seed(5)
    for name, tensor in network.state_dict().items():
        if name.endswith("up.weight"):
            tensor.normal_(0, 0.1)
    return network.eval()


def assert_same(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> None:
    assert {name: t.numpy().tobytes() for name, t in a.items()} == {
        name: t.numpy().tobytes() for name, t in b.items()
    }


def test_a_layer_adds_b_a_x_and_a_merged_one_gives_the_same() -> None:
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0]]))
        layer.bias.fill_(0.5)
    adapt(layer, Adapters(rank=1))
    weights = {"adapter.down.weight": [[3.0, 4.0]], "adapter.up.weight": [[5.0]]}
    load_shared(layer, {name: torch.tensor(values) for name, values in weights.items()})

    given = layer(torch.ones(1, 2))  # 1 + 2 + 0.5, and 5 * (3 + 4)

    own = merged({f"a.{name}": tensor for name, tensor in layer.state_dict().items()})
    assert given.item() == 38.5
    assert own["a.weight"].tolist() == [[16.0, 22.0]]
    assert [*own] == ["a.weight", "a.bias"]


def test_alpha_over_rank_scales_what_an_adapter_adds() -> None:
    torch.manual_seed(0)
    once = Adapter(8, 8, Adapters(rank=2, alpha=2))
    torch.manual_seed(0)
    eightfold = Adapter(8, 8, Adapters(rank=2, alpha=16))

    assert torch.equal(eightfold.down.weight, 8 * once.down.weight)
    assert not once.up.weight.any()


def test_attention_with_adapters_is_torchs_with_the_merged_matrices() -> None:
    torch.manual_seed(0)
    own = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    adapted = moved(AdaptedAttention(own, Adapters(rank=3)))
    tokens = torch.randn(2, 5, 16)
    twin = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    state = merged({f"a.{name}": tensor for name, tensor in adapted.state_dict().items()})
    twin.load_state_dict({name[2:]: tensor for name, tensor in state.items()})

    for mode in (False, True):  # torch's fast way, and its slow one
        twin.train(mode)
        with torch.no_grad():
            expected, _ = twin(tokens, tokens, tokens, need_weights=False)
            given, _ = adapted(tokens, tokens, tokens, need_weights=False)
        torch.testing.assert_close(given, expected)


def test_the_network_beside_the_adapters_is_the_one_without_them(vit_plan: Plan) -> None:
    network, plain = build_model(vit_plan), without(vit_plan)
    pixels = torch.randn(2, 1, 32, 32)

    fresh = {name: t for name, t in network.state_dict().items() if is_adapter(name)}

    assert_same({n: network.state_dict()[n] for n in plain.state_dict()}, plain.state_dict())
    assert_same(build_model(vit_plan).state_dict(), network.state_dict())
    assert len(fresh) == 12 * 4 * 2
    torch.testing.assert_close(network.eval()(pixels), plain.eval()(pixels))


def test_only_the_second_matrices_and_the_head_travel_and_train(vit_plan: Plan) -> None:
    network = build_model(vit_plan)

    network.train()(torch.randn(2, 1, 32, 32)).sum().backward()

    shared = set(network.names("shared"))
    trained = {name for name, p in network.named_parameters() if p.grad is not None}
    assert shared == trained
    assert {name.split(".")[0] if name.startswith("head") else name.split(".adapter.")[1]
            for name in shared} == {"up.weight", "head"}  # fmt: skip
    assert set(network.names("start")) == set(network.shapes) - shared
    assert not any(m.training for m in network.backbone.modules() if isinstance(m, nn.LayerNorm))


def test_norm_layers_of_a_site_train_beside_adapters_and_stay(make_plan: MakePlan) -> None:
    model = {"name": "vit_tiny_16", "norm": "own", "weights": A_FILE, "adapters": {}}
    plan = load_plan(make_plan(images={"size": 32}, model=model | {"norm_layers": "local"}))

    network = build_model(plan)

    own = network.names("local")
    assert len(own) == 2 * (2 * 12 + 1)
    assert all(dict(network.named_parameters())[name].requires_grad for name in own)


@pytest.mark.parametrize(
    ("where", "n"),
    [("attention", 12 * 8 * (3 + 1) * 768), ("dense", 12 * 8 * (4 + 1) * 768),
     ("all", 12 * 8 * 9 * 768)],
)  # fmt: skip
def test_a_message_of_vit_b_16_is_less_than_a_hundredth_of_it(
    where: str, n: int, make_plan: MakePlan
) -> None:
    model = {"name": "vit_b_16", "norm": "own", "weights": "imagenet"}
    adapters = {"adapters": {"rank": 8, "where": where}}
    plan = load_plan(make_plan(images={"size": 224}, model=model | adapters))

    n_weights, a_round, once = sizes(plan)

    network = build_empty(plan)
    n_shared = sum(math.prod(network.shapes[name]) for name in network.names("shared"))
    assert n_shared == n + 769
    assert a_round <= 0.01 * 4 * n_weights
    assert once == 4 * (n_weights - n_shared)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"name": "resnet18"}, "resnet18 has no attention before its head"),
        ({"name": "resnet18", "adapters": {"where": "all"}}, "no attention or dense layers"),
        ({"name": "small_cnn"}, "set model.adapters.where: dense"),
        ({"name": "vit_tiny_16", "adapters": {"rank": 192}}, "rank: 192, but .* has 192 values"),
        ({"name": "vit_tiny_16", "freeze": "all"}, "leave model.freeze"),
        ({"name": "vit_tiny_16", "weights": "none"}, "set model.weights to imagenet or a file"),
    ],
)
def test_a_network_without_such_layers_or_start_is_refused_in_words(
    model: dict[str, object], message: str, make_plan: MakePlan
) -> None:
    model = {"norm": "own", "weights": A_FILE, "adapters": {}} | model

    with pytest.raises(ConfigError) as refused:
        build_model(load_plan(make_plan(images={"size": 32}, model=model)))

    assert refused.match(message)


def test_convnexts_dense_layers_can_be_adapted(make_plan: MakePlan) -> None:
    model = {"name": "convnext_tiny", "norm": "own", "weights": "imagenet"}
    plan = load_plan(make_plan(images={"size": 32}, model=model | {"adapters": {"where": "dense"}}))

    assert len(build_empty(plan).names("shared")) == 2 * 18 + 2


def test_a_plan_of_before_keeps_its_hash_and_one_with_adapters_has_another(
    plan: Plan, vit_plan: Plan
) -> None:
    assert "adapters" not in plan.canonical()
    assert '"adapters":{"alpha":16.0,"rank":8,"where":"all"}' in vit_plan.canonical()


def test_the_mean_of_adapters_is_the_mean_of_what_they_add(plan: Plan) -> None:
    # Both matrices of two sites, with 1 and 3 images, beside one layer of two inputs:
    a, b = ([[1.0, 0.0]], [[0.0, 1.0]]), ([[1.0]], [[3.0]])
    products = [torch.tensor(y) @ torch.tensor(x) for x, y in zip(a, b, strict=True)]
    right = (products[0] + 3 * products[1]) / 4
    mean_a, mean_b = ((torch.tensor(pair[0]) + 3 * torch.tensor(pair[1])) / 4 for pair in (a, b))
    assert right.tolist() == [[0.25, 2.25]]
    assert (mean_b @ mean_a).tolist() == [[0.625, 1.875]]  # averaging both is wrong

    # With A as drawn, here (2, 1), medfl's own average of B is right:
    name, down = "backbone.a.adapter.up.weight", torch.tensor([[2.0, 1.0]])
    joining = RoundAggregation(plan, {name: torch.zeros(1, 1)}, 1, 2, {})
    for site, n, up in (("one", 1, b[0]), ("two", 3, b[1])):
        update = {name: torch.tensor(up)}
        result = TrainResult("0", 1, 0, n_images=n, n_steps=1, start_loss=1.0, update=update)
        joining.add(site, result)
    joined, _ = joining.finish()

    assert joined[name].tolist() == [[2.5]]  # (1 * 1 + 3 * 3) / 4
    assert (joined[name] @ down).tolist() == [[5.0, 2.5]]  # ((2, 1) + 3 * (6, 3)) / 4
