"""The coordinator's halves, against numbers worked out by hand and torch's own optimisers."""

import math

import pytest
import torch
from flwr.supercore.task_identity import TaskIdentity
from tests.conftest import MakePlan

from medfl_common.models.weights import Weights
from medfl_common.plan.federation import Federation
from medfl_common.plan.plan import load_plan
from medfl_common.plan.training import Training, effective_steps
from medfl_server.aggregation.strategies import (
    STRATEGIES,
    Aggregation,
    AggregationContext,
    UpdateInfo,
)
from medfl_server.rounds.sampling import choose_sites


@pytest.fixture(autouse=True)
def inside_a_run() -> None:
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1


def aggregation(
    strategy: str, state: Weights | None = None, number: int = 1, momentum: float = 0.0,
    **options: float,
) -> Aggregation:  # fmt: skip
    federation = Federation.model_validate({"rounds": 9, "strategy": strategy, "options": options})
    training = Training(momentum=momentum)
    return STRATEGIES.get(strategy)(
        AggregationContext(federation, training, number, n_sites=2, rate=0.1, state=state or {})
    )


def w(value: float) -> Weights:
    return {"w": torch.tensor([value])}


def after(
    aggregation: Aggregation, *updates: tuple[float, UpdateInfo], start: float = 0.0
) -> float:
    for value, info in updates:
        aggregation.add(w(value), info)
    return float(aggregation.result(w(start))["w"])


def test_momentum_at_the_coordinator_is_torchs() -> None:
    parameter = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([parameter], lr=0.5, momentum=0.9)
    weights, state = 1.0, {}
    for update in (0.3, -0.1, 0.2):
        parameter.grad = torch.tensor([-update])  # an update is the opposite of a gradient
        optimizer.step()
        one = aggregation("fedavgm", state, server_lr=0.5, server_momentum=0.9)
        weights, state = after(one, (update, UpdateInfo(1)), start=weights), one.state()
    assert weights == pytest.approx(float(parameter.detach()), abs=1e-6)


def test_adam_yogi_and_adagrad_make_the_steps_worked_out_by_hand() -> None:
    # One update of 0.2 in the first round; adaptive_lr 0.01, tau 0.001, beta 0.9 and 0.99.
    first, second = 0.1 * 0.2, 0.01 * 0.2**2
    correction = math.sqrt(1 - 0.99**2) / (1 - 0.9**2)  # Flower counts its rounds from 1 on
    adam = 0.01 * correction * first / (math.sqrt(second) + 0.001)
    assert after(aggregation("fedadam"), (0.2, UpdateInfo(1))) == pytest.approx(adam, rel=1e-5)
    # Yogi's second moment from 0: 0 - 0.01 * 0.04 * sign(0 - 0.04).
    yogi = 0.01 * first / (math.sqrt(second) + 0.001)
    assert after(aggregation("fedyogi"), (0.2, UpdateInfo(1))) == pytest.approx(yogi, rel=1e-5)
    adagrad = 0.01 * 0.2 / (math.sqrt(0.2**2) + 0.001)
    one = aggregation("fedadagrad")
    assert after(one, (0.2, UpdateInfo(1))) == pytest.approx(adagrad, rel=1e-5)
    two = aggregation("fedadagrad", one.state(), number=2)
    again = 0.01 * 0.1 / (math.sqrt(0.2**2 + 0.1**2) + 0.001)
    assert after(two, (0.1, UpdateInfo(1))) == pytest.approx(again, rel=1e-5)


def test_a_huge_tau_makes_adam_a_small_multiple_of_fedavg() -> None:
    # beta 0: the step is lr * mean / (|mean| + tau), nearly lr / tau * mean where tau is large.
    step = after(
        aggregation("fedadam", adaptive_lr=1.0, tau=1.0, beta_1=0.0, beta_2=0.0),
        (1e-5, UpdateInfo(30)), (3e-5, UpdateInfo(10)),
    )  # fmt: skip
    assert step == pytest.approx(1.5e-5, rel=1e-4)


def test_steps_with_momentum_count_as_their_gradients_do() -> None:
    for momentum, n in ((0.0, 7), (0.5, 3), (0.9, 4)):
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=1.0, momentum=momentum)
        for _ in range(n):
            parameter.grad = torch.tensor([-1.0])
            optimizer.step()
        assert effective_steps(n, momentum) == pytest.approx(float(parameter.detach()), rel=1e-6)


def test_fednova_does_not_favour_who_makes_more_steps() -> None:
    # Two sites alike but for the steps: 1 step of 1, 3 steps of -1 each. Their mean step is 0.
    assert after(
        aggregation("fednova"), (1.0, UpdateInfo(5, 1)), (-3.0, UpdateInfo(5, 3))
    ) == pytest.approx(0)
    # Steps of 1 and of 2, three times and once: tau = 2, mean step 1.5.
    assert after(
        aggregation("fednova"), (3.0, UpdateInfo(5, 3)), (2.0, UpdateInfo(5, 1))
    ) == pytest.approx(3.0)


def test_qfedavg_counts_the_worse_site_more() -> None:
    # L = 10; losses 1 and 3, updates 0.1 and -0.1: sum 10 * (1 * 0.1 - 3 * 0.1) = -2;
    # damping (1 * 1 + 10 * 1) + (1 * 1 + 10 * 3) = 42.
    step = after(
        aggregation("qfedavg", q=1.0), (0.1, UpdateInfo(9, 1, 1.0)), (-0.1, UpdateInfo(1, 1, 3.0))
    )
    assert step == pytest.approx(-2 / 42)
    even = after(
        aggregation("qfedavg", q=0.0), (0.1, UpdateInfo(9, 1, 1.0)), (-0.3, UpdateInfo(1, 1, 3.0))
    )
    assert even == pytest.approx(-0.1)


def test_scaffold_keeps_the_mean_of_the_gradients_that_the_updates_tell_of() -> None:
    # Rate 0.1: an update of -0.2 in 2 steps is a gradient of 1, one of 0.3 in 1 step is -3.
    one = aggregation("scaffold")
    assert after(one, (-0.2, UpdateInfo(10, 2)), (0.3, UpdateInfo(10, 1))) == pytest.approx(0.05)
    assert float(one.state()["w"]) == pytest.approx((1 - 3) / 2)
    # With one of the two sites, c moves half the way to that site's gradient: -1 / 2 + 5 / 2.
    two = aggregation("scaffold", one.state(), number=2)
    after(two, (-0.5, UpdateInfo(10, 1)))
    assert float(two.state()["w"]) == pytest.approx(-0.5 + 2.5)


def test_feddyn_moves_on_by_what_the_sites_have_agreed_on_before() -> None:
    # alpha 0.1: h = -0.1 * (0.2 + 0.4) / 2 = -0.03; w = mean 0.3 + 0.3.
    one = aggregation("feddyn", feddyn_alpha=0.1)
    assert after(one, (0.2, UpdateInfo(1)), (0.4, UpdateInfo(9))) == pytest.approx(0.6)
    assert float(one.state()["w"]) == pytest.approx(-0.03)
    two = aggregation("feddyn", one.state(), feddyn_alpha=0.1)
    assert after(two, (0.0, UpdateInfo(1)), start=0.6) == pytest.approx(0.9)


def test_fedbuff_counts_an_update_less_the_older_it_is() -> None:
    # 10 images new, 30 images three rounds old: (10 * 1 + 30 * 1 / sqrt(4)) / 40, times 0.5.
    step = after(
        aggregation("fedbuff", server_lr=0.5),
        (1.0, UpdateInfo(10)),
        (1.0, UpdateInfo(30, staleness=3)),
    )
    assert step == pytest.approx(0.5 * 25 / 40)


def test_cyclic_goes_from_site_to_site_in_the_rosters_order(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(federation={"strategy": "cyclic"}))
    asked = [choose_sites(plan, ["north", "south", "west"], number) for number in range(1, 5)]
    assert asked == [{"north"}, {"south"}, {"west"}, {"north"}]
    assert after(aggregation("cyclic"), (0.5, UpdateInfo(3)), start=1.0) == 1.5
