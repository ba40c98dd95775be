"""What a person is shown, what is recorded, and when a site takes up tasks."""

from dataclasses import replace
from datetime import datetime, time
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_client.commands.approve import approve_plan
from medfl_client.commands.plan_summary import differences, n_weights, reply_mb, summarise
from medfl_client.commands.withdraw import withdraw
from medfl_client.config.hours import OpenHours, is_within
from medfl_client.config.rules import RULES
from medfl_client.config.site_file import Policy
from medfl_client.egress import approvals
from medfl_client.egress.approvals import read_records, status_of
from medfl_client.training.objectives import OBJECTIVES, ClientContext, Objective, objective_class
from medfl_common.errors import ConfigError, RunError
from medfl_common.models import build_model
from medfl_common.models.weights import Weights, shared_weights
from medfl_common.plan.algorithms import ALGORITHMS, Algorithm
from medfl_common.plan.algorithms.fedavg import FEDAVG
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.plan.settings import loads
from medfl_common.plan.task import Task
from medfl_common.ui.screen import Screen


class Said(Screen):
    """A screen that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def table(self, header: object, rows: object, title: str = "") -> None:
        self.lines += [title, *(" | ".join(row) for row in rows)]  # type: ignore[attr-defined]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def site(hospitals: Path) -> Path:
    return hospitals / "site-1"


def test_every_setting_of_a_policy_is_a_rule_with_an_id_of_its_own() -> None:
    assert set(RULES) == set(Policy.model_fields)
    ids = [rule for rule, _ in RULES.values()]
    assert sorted(ids, key=lambda rule: int(rule[1:])) == [
        f"P{n}" for n in range(1, 1 + len(RULES))
    ]


def test_a_plan_is_shown_asked_for_and_approved_under_a_name(
    site: Path, make_plan: MakePlan
) -> None:
    said, path = Said(), make_plan()
    plan = load_plan(path)

    assert not approve_plan(site, path, lambda text: False, said)
    assert status_of(site / "state", plan.hash()) == "not approved"
    assert approve_plan(site, path, lambda text: plan.hash()[:12] in text, said)

    (record,) = read_records(site / "state")
    assert (record.action, record.study, record.plan) == ("approve", "small", plan.hash())
    assert approvals.approved_plan(record) == plan
    assert record.by
    for words in (
        "normal, opacity",
        "CR or DX images",
        "3 rounds",
        "25% of the patients",
        "No image",
    ):
        assert words in said.text
    assert "your policy allows this plan" in said.text
    assert "this is the first" in said.text


def test_a_changed_plan_shows_what_changed_and_what_the_policy_says(
    site: Path, make_plan: MakePlan
) -> None:
    with (site / "site.yaml").open("a") as file:
        file.write("  \n")
    text = (site / "site.yaml").read_text().replace("min_cell: 1}", "min_cell: 1, max_rounds: 4}")
    (site / "site.yaml").write_text(text)
    approve_plan(site, make_plan(), lambda text: True, Said())
    changed = make_plan("other.yaml", training={"lr": 0.5}, federation={"rounds": 9})
    said = Said()
    path = approvals.propose(site / "state", load_plan(changed))

    assert approve_plan(site, None, lambda text: True, said)

    assert load_plan(path) == load_plan(changed)
    assert "training.lr | 0.01 | 0.5" in said.text
    assert "federation.rounds | 3 | 9" in said.text
    assert "(policy P3, max_rounds)" in said.text
    assert len(differences(load_plan(make_plan()), load_plan(changed))) == 2


def test_of_several_answers_to_one_question_only_the_new_are_shown(
    site: Path, make_plan: MakePlan
) -> None:
    approve_plan(site, make_plan(training={"batch_size": 32}), lambda text: True, Said())
    said = Said()

    approve_plan(site, make_plan(training={"batch_size": 16}), lambda text: True, said)

    (risk,) = [line for line in said.lines if line.startswith("what an update could show")]
    assert "each step is of 32 images" in risk
    assert "each step is of 16 images" in risk
    assert "large dense" not in risk  # that risk is as it was


def test_withdrawing_from_all_is_asked_for_and_approving_again_undoes_it(
    site: Path, make_plan: MakePlan
) -> None:
    paths = [make_plan(), make_plan("other.yaml", training={"lr": 0.5})]
    hashes = [load_plan(path).hash() for path in paths]
    for path in paths:
        approve_plan(site, path, lambda text: True, Said())
    said = Said()

    with pytest.raises(ConfigError, match=r"has approved 2 plans: small(.|\n)*--all"):
        withdraw(site, None, False, said)
    assert [status_of(site / "state", plan) for plan in hashes] == ["approved"] * 2

    withdraw(site, None, True, said)

    assert [status_of(site / "state", plan) for plan in hashes] == ["withdrawn"] * 2
    assert "Nobody can call back" in said.text
    approve_plan(site, paths[0], lambda text: True, Said())
    assert status_of(site / "state", hashes[0]) == "approved"
    withdraw(site, None, False, Said())  # the only one
    assert status_of(site / "state", hashes[0]) == "withdrawn"


def test_an_approval_that_somebody_wrote_by_hand_does_not_count(site: Path, plan: Plan) -> None:
    state = site / "state"
    state.mkdir(exist_ok=True)
    approvals.write_record(state, "withdraw", plan.hash(), plan.study, plan.canonical())
    path = state / "approvals.jsonl"
    path.write_text(path.read_text().replace("withdraw", "approve"))

    with pytest.raises(RunError, match=r"line 1: it was changed\. Nothing counts as approved"):
        approvals.require(state, plan, Policy())


def test_a_proposed_plan_is_the_plan_whatever_its_words_are(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    words = [
        "no",
        "1e3",
        "012",
        "2024-01-01",
        "y",
        "\x1b[2Jnothing",
        "a: b",
        "12:30",
        "{x}",
        "ö'\"",
    ]
    plain = load_plan(make_plan(training={"lr": 0.00001}))
    task = Task(type="multilabel", classes=words)
    plan = plain.model_copy(update={"task": task})

    path = approvals.propose(tmp_path, plan)

    assert load_plan(path).hash() == plan.hash()
    shown = "".join(cell for row in summarise(plan) for cell in row)
    assert shown.isprintable()
    assert "\\x1b[2Jnothing" in shown


def test_old_proposals_make_room_for_new_ones(tmp_path: Path, plan: Plan) -> None:
    for seed in range(approvals.N_PROPOSED + 5):
        newest = approvals.propose(tmp_path, plan.model_copy(update={"seed": seed}))

    assert len(approvals.proposed(tmp_path)) == approvals.N_PROPOSED
    assert newest in approvals.proposed(tmp_path)


def test_the_words_tell_the_true_size(plan: Plan) -> None:
    n = sum(tensor.numel() for tensor in shared_weights(build_model(plan)).values())

    assert n_weights(plan) == n
    assert reply_mb(plan) == pytest.approx((4 * n + 8 * (4 + 2 * 128)) / 1e6)


def test_hours_may_pass_midnight() -> None:
    for hours, inside, outside in (
        ("20:00-06:00", ["20:00", "23:59", "00:00", "05:59"], ["06:00", "12:00", "19:59"]),
        ("08:30-17:00", ["08:30", "16:59"], ["08:29", "17:00", "00:00"]),
    ):
        assert all(is_within(hours, time.fromisoformat(clock)) for clock in inside)
        assert not any(is_within(hours, time.fromisoformat(clock)) for clock in outside)


def test_a_person_is_told_once_when_tasks_wait_and_when_they_go_on() -> None:
    said, clock = list[str](), [datetime(2024, 1, 1, 21)]
    is_open = OpenHours("20:00-06:00", said.append, lambda: clock[0])

    seen = []
    for hour in (21, 22, 7, 8, 20, 21):
        clock[0] = datetime(2024, 1, 1, hour)
        seen.append(is_open())

    assert seen == [True, True, False, False, True, True]
    assert said == [
        "outside policy.hours 20:00-06:00 (P11); tasks wait until 20:00",
        "within policy.hours 20:00-06:00 (P11) again; tasks are taken up",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hours: 25:00-06:00", "such as"),
        ("hours: 06:00-06:00", "such as"),
        ("metrics: [exact_auc]", "list scores too"),
        ("metrics: [names]", "metrics"),
        ("approval: maybe", "approval"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loads(Policy, text, "the policy")


class Hoarder(Objective):
    """An objective that keeps the local model."""

    def __init__(self, context: ClientContext) -> None:
        self._context = context

    def client_state(self, n_steps: int) -> Weights:
        return shared_weights(self._context.model)


@pytest.mark.parametrize(
    "sections",
    [{"federation": {"strategy": "hoarder"}}, {"training": {"objective": "hoarder"}}],
    ids=str,
)
def test_what_an_objective_keeps_is_told_or_it_is_refused(
    sections: dict[str, dict[str, object]], make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = Algorithm("hoarder", "", FEDAVG.name, objective="hoarder")
    known = {name: ALGORITHMS.get(name) for name in ALGORITHMS.names()}
    objectives = {name: OBJECTIVES.get(name) for name in OBJECTIVES.names()}
    monkeypatch.setattr(OBJECTIVES, "_parts", {**objectives, "hoarder": Hoarder})
    monkeypatch.setattr(ALGORITHMS, "_parts", {**known, "hoarder": silent})
    plan = load_plan(make_plan(**sections))

    with pytest.raises(ConfigError, match="the objective hoarder keeps something at the site"):
        summarise(plan)
    with pytest.raises(ConfigError, match="does not say what"):
        objective_class(plan)

    honest = replace(silent, kept_at_site="the last model trained here")
    monkeypatch.setattr(ALGORITHMS, "_parts", {**known, "hoarder": honest})
    assert dict(summarise(plan))["what stays here between rounds"] == honest.kept_at_site


def test_each_objective_that_keeps_something_says_what(make_plan: MakePlan) -> None:
    for name in OBJECTIVES.names():
        plan = load_plan(make_plan(federation={"strategy": "median"}, training={"epochs": 2}))
        training = plan.training.model_copy(update={"objective": name})
        plan = plan.model_copy(update={"training": training})

        told = dict(summarise(plan))["what stays here between rounds"]

        assert not OBJECTIVES.get(name).keeps_something() or "nothing" not in told
