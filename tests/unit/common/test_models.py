from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.models import MODELS, build_model
from medfl_common.models.weights import load_shared, shared_weights
from medfl_common.plan.plan import load_plan

IMAGES = {
    "r3d_18": {"size": 16, "depth": 4, "dimensions": 3, "sample": "series"},
    "inception_v3": {"size": 75},
}


@pytest.mark.parametrize("name", MODELS.names())
@pytest.mark.parametrize("channels", [1, 3])
def test_every_model_gives_one_logit_per_output(
    name: str, channels: int, make_plan: MakePlan
) -> None:
    plan = load_plan(
        make_plan(
            model={"name": name, "norm": "own"},
            images={"size": 32, "channels": channels} | IMAGES.get(name, {}),
            task={"type": "ordinal", "classes": ["a", "b", "c"]},
        )
    )

    logits = build_model(plan).eval()(torch.zeros(2, channels, *plan.images.shape[1:]))

    assert logits.shape == (2, 3)


def test_models_that_threads_build_at_once_have_the_start_of_their_own_plan(
    make_plan: MakePlan,
) -> None:
    plans = [
        load_plan(
            make_plan(images={"size": 32}, model={"name": "resnet18", "norm": "own"})
        ).model_copy(update={"seed": seed})
        for seed in (1, 2)
    ]
    alone = [shared_weights(build_model(plan)) for plan in plans]

    with ThreadPoolExecutor(len(plans)) as pool:
        together = [shared_weights(model) for model in pool.map(build_model, plans)]

    for one, other in zip(alone, together, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_same_plan_gives_the_same_start_and_touches_no_global_seed(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan())
    before = torch.get_rng_state()

    one, other = shared_weights(build_model(plan)), shared_weights(build_model(plan))

    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(before, torch.get_rng_state())


def test_the_count_of_batches_is_not_shared_and_running_means_are(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(model={"norm": "batch"}))
    model = build_model(plan)
    model(torch.randn(4, 1, 24, 24))

    shared = shared_weights(model)
    load_shared(model, {name: torch.zeros_like(tensor) for name, tensor in shared.items()})

    state = model.state_dict()
    assert not any("num_batches_tracked" in name for name in shared)
    assert int(state["backbone.1.num_batches_tracked"]) == 1
    assert float(state["backbone.1.running_mean"].abs().sum()) == 0.0


def test_slices_are_joined_whatever_their_order(make_plan: MakePlan) -> None:
    volumes = {"size": 16, "depth": 6, "dimensions": 3, "sample": "series"}
    model = {"name": "small_cnn", "slices": "max"}
    network = build_model(load_plan(make_plan(images=volumes, model=model))).eval()
    pixels = torch.randn(2, 1, 6, 16, 16)

    by_slice = torch.stack([network.backbone(pixels[:, :, i]) for i in range(6)], dim=1)
    torch.testing.assert_close(network.features(pixels), by_slice.amax(dim=1))
    torch.testing.assert_close(network(pixels), network(pixels.flip(2)))


def test_an_unknown_model_names_the_choices(make_plan: MakePlan) -> None:
    with pytest.raises(ConfigError, match="unknown model 'resnet19'; known: convnext_tiny, "):
        build_model(load_plan(make_plan(model={"name": "resnet19"})))
