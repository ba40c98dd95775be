"""Two versions of a plan, or of the data, that differ by a few patients do not tell those."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.client.test_questions import OTHER_RUN, Coordinator, coordinator

from medfl_client.data.dataset import SiteData
from medfl_client.egress import approvals
from medfl_common.metrics.participants import REASONS
from medfl_common.plan.plan import Plan, load_plan

MIN_CELL = 3


@pytest.fixture
def ask(hospitals: Path, make_plan: MakePlan) -> Coordinator:
    plan = load_plan(make_plan(federation={"statistics": True}))
    found = coordinator(hospitals, plan)
    policy = found.site.policy.model_copy(update={"min_cell": MIN_CELL})
    found.site = replace(found.site, policy=policy)
    return found


def without(ask: Coordinator, n: int, name: str) -> None:
    """Have n patients fewer among those trained on or scored."""
    read = ask.site.data

    def data(plan: Plan) -> SiteData:
        whole = read(plan)
        assert whole.members is not None
        members = whole.members()
        members[name] = dict(list(members[name].items())[n:])
        return replace(whole, members=lambda: members)

    ask.site = replace(ask.site, data=data)


def other_plan(ask: Coordinator, make_plan: MakePlan) -> Coordinator:
    """Approve a version of the plan that differs by its learning rate."""
    plan = load_plan(make_plan(federation={"statistics": True}, training={"lr": 0.02}))
    approvals.approve(ask.site.state, plan)  # type: ignore[arg-type]
    return Coordinator(ask.site, plan)


@pytest.mark.parametrize(
    ("n", "name", "codes", "has_scores"),
    [
        (0, "train", (0, 0), True),
        (1, "validation", (400, 0), False),
        (1, "train", (400, 400), False),
        (2, "train", (400, 400), False),
        (3, "validation", (0, 0), True),
    ],
)
def test_a_version_that_differs_by_few_patients_tells_no_counts_and_no_scores(
    n: int, name: str, codes: tuple[int, int], has_scores: bool, ask: Coordinator,
    make_plan: MakePlan,
) -> None:  # fmt: skip
    assert [ask.code("describe", 0), ask.code("train", 1)] == [0, 0]
    without(ask, n, name)
    second = other_plan(ask, make_plan)

    described = second.code("describe", 0, run=OTHER_RUN)
    reply = second.ask("train", 1, run=OTHER_RUN).metric_records["numbers"]

    assert (described, reply["code"]) == codes
    assert ("n_scored" in reply) == has_scores
    if 0 < n < MIN_CELL:
        assert any(f"differ by {n} from" in line for line in second.said)
        assert any("(policy P5, min_cell)" in line for line in second.said)


def test_data_that_change_a_little_in_a_study_train_on_and_are_not_scored(
    ask: Coordinator,
) -> None:
    assert ask.code("train", 1) == 0
    without(ask, 1, "validation")
    later = Coordinator(ask.site, ask.plan)  # the client has started again

    numbers = later.ask("train", 2, later.moved(1)).metric_records["numbers"]

    assert numbers["code"] == 0
    assert "n_scored" not in numbers
    assert (
        "scores withheld: 1 patients are others than before (policy P5, min_cell)" in later.said[0]
    )
    assert later.code("train", 1, nonce=8) == 400  # the same question of other patients


def leaving_out(ask: Coordinator, more: dict[str, tuple[int, int]]) -> None:
    """Have further files left out, of the same patients who take part."""
    read = ask.site.data

    def data(plan: Plan) -> SiteData:
        whole = read(plan)
        assert whole.participants is not None
        flow = whole.participants()
        files, patients = (
            tuple(own + more.get(code, (0, 0))[i] for own, code in zip(has, REASONS, strict=True))
            for i, has in enumerate((flow.reasons, flow.reason_patients))
        )
        changed = replace(flow, reasons=files, reason_patients=patients)
        return replace(whole, participants=lambda: changed)

    ask.site = replace(ask.site, data=data)


@pytest.mark.parametrize(
    ("view", "is_told"), [((5, 5), True), ((6, 6), False), ((9, 5), False), ((8, 8), True)]
)
def test_a_flow_that_differs_by_few_left_out_patients_from_one_told_before_stays(
    view: tuple[int, int], is_told: bool, hospitals: Path, make_plan: MakePlan
) -> None:
    asks = {"federation": {"statistics": True, "participants": True}}
    ask = coordinator(hospitals, load_plan(make_plan(**asks)))
    policy = ask.site.policy.model_copy(update={"min_cell": MIN_CELL})
    ask.site = replace(ask.site, policy=policy)
    other = load_plan(make_plan(**asks, training={"lr": 0.02}))
    approvals.approve(ask.site.state, other)  # type: ignore[arg-type]
    second = Coordinator(ask.site, other)
    leaving_out(ask, {"view": (5, 5)})
    leaving_out(second, {"view": view})

    first = ask.ask("describe", 0).metric_records["numbers"]
    reply = second.ask("describe", 0, run=OTHER_RUN).metric_records["numbers"]

    assert first["code"] == reply["code"] == 0
    assert "flow_reasons" in first
    assert ("flow_reasons" in reply) is is_told
    assert any("flow withheld" in line for line in second.said) is not is_told
    again = Coordinator(ask.site, other)
    leaving_out(again, {"view": view})
    repeated = again.ask("describe", 0, run=OTHER_RUN).metric_records["numbers"]
    assert ("flow_reasons" in repeated) is is_told
