"""BatchNorm's statistics and GroupNorm's absence of them, federated against pooled."""

import numpy as np
import pytest
import torch
from tests.conftest import MakePlan

from medfl_client.data.dataset import ImageSet, SiteData
from medfl_client.training.local_round import work
from medfl_common.models import build_model
from medfl_common.models.weights import Weights, load_shared, shared_weights
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.tasks import TrainTask
from medfl_server.aggregation.aggregator import RoundAggregation
from medfl_server.aggregation.batchnorm import PooledStatistics

CPU = torch.device("cpu")


def images(n: int, brightness: int, seed: int) -> ImageSet:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 60, (n, 1, 24, 24)).astype(np.uint8) + np.uint8(brightness)
    return ImageSet(pixels, np.arange(n), torch.from_numpy(rng.integers(0, 2, (n, 1))).float())


def one_round(plan: Plan, sites: list[ImageSet], start: Weights, round_: int = 1) -> Weights:
    aggregation = RoundAggregation(plan, start)
    for number, here in enumerate(sites):
        task = TrainTask("train", "0" * 32, round_, 0, f"s{number}", plan, start)
        none = ImageSet(here.pixels, here.rows[:0], here.targets[:0])
        data = SiteData(here, none, none)
        aggregation.add(f"s{number}", work(task, build_model(plan), data, CPU))
    return aggregation.result()


def both(first: ImageSet, second: ImageSet) -> ImageSet:
    pixels = np.concatenate([first.pixels, second.pixels])
    return ImageSet(pixels, np.arange(len(pixels)), torch.cat([first.targets, second.targets]))


def full_batch(make_plan: MakePlan, norm: str) -> Plan:
    training = {"batch_size": 64, "lr": 0.1, "momentum": 0.0, "precision": "float32"}
    return load_plan(make_plan(model={"norm": norm}, training=training))


def test_one_full_batch_step_of_two_sites_is_that_of_their_pool(make_plan: MakePlan) -> None:
    plan = full_batch(make_plan, "group")
    start = shared_weights(build_model(plan))
    dark, bright = images(10, 0, 1), images(30, 150, 2)

    federated = one_round(plan, [dark, bright], start)
    pooled = one_round(plan, [both(dark, bright)], start)

    for name, tensor in pooled.items():
        torch.testing.assert_close(federated[name], tensor, atol=1e-6, rtol=1e-5)


def test_after_many_steps_the_pooled_statistics_are_those_of_all_images() -> None:
    draw = torch.Generator().manual_seed(0)
    sites = [torch.randn(n, 5, generator=draw) + shift for n, shift in ((100, -3.0), (300, 4.0))]
    pool = PooledStatistics({"bn.running_mean": torch.zeros(5), "bn.running_var": torch.ones(5)})

    for values in sites:
        mean, var = values.mean(0), values.var(0, correction=0)
        pool.add({"bn.running_mean": mean, "bn.running_var": var - 1}, len(values), n_steps=500)

    found, whole = pool.result(), torch.cat(sites)
    torch.testing.assert_close(found["bn.running_mean"], whole.mean(0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        found["bn.running_var"], whole.var(0, correction=0), atol=1e-4, rtol=1e-4
    )


def test_batchnorm_knows_how_sites_differ_after_rounds_of_one_step(make_plan: MakePlan) -> None:
    plan = full_batch(make_plan, "batch")
    model = build_model(plan)
    weights = shared_weights(model)
    dark, bright = images(20, 0, 1), images(20, 190, 2)

    for round_ in range(1, 41):
        weights = one_round(plan, [dark, bright], weights, round_)

    load_shared(model, weights)
    with torch.no_grad():  # what the first norm layer gets, of both sites together
        values = model.backbone[0](both(dark, bright).batch(torch.arange(40))[0])
    whole, within = values.var((0, 2, 3)), values[:20].var((0, 2, 3))
    widest = int(whole.argmax())
    assert whole[widest] > 5 * within[widest]  # averaged variances would be a fifth, or less
    running = float(weights["backbone.1.running_var"][widest])
    assert running == pytest.approx(float(whole[widest]), rel=0.15)
