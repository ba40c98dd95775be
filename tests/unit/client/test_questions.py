"""The book of questions: a coordinator that means ill gets the plan's answers, and no more."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from flwr.app import RecordDict
from tests.conftest import MakePlan
from tests.unit.client.test_approvals import Said

from medfl_client.commands.approve import approve_plan
from medfl_client.config.site_file import load_site_file
from medfl_client.egress import approvals, ledger
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import Site, open_site
from medfl_common.models import build_model
from medfl_common.models.weights import Weights, shared_weights
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.tasks import Kind, TrainTask, encode_task

RUN, OTHER_RUN = "cd" * 16, "ef" * 16
REPEATS = 3  # the policy's default


class Coordinator:
    """Asks one site what it wants, and counts."""

    def __init__(self, site: Site, plan: Plan) -> None:
        self.site, self.plan = site, plan
        self.start = shared_weights(build_model(plan))
        self.said: list[str] = []
        self._session = Session()

    def ask(
        self, kind: Kind, round_: int, weights: Weights | None = None, **facts: object
    ) -> RecordDict:
        task = TrainTask(kind, RUN, round_, 7, "site-1", self.plan, weights or self.start)
        task = replace(task, **facts)  # type: ignore[arg-type]
        return handle_task(encode_task(task), self.site, self._session, self.said.append)

    def code(self, *what: object, **facts: object) -> object:
        return self.ask(*what, **facts).metric_records["numbers"]["code"]  # type: ignore[arg-type]

    def moved(self, by: float) -> Weights:
        return {name: tensor + by for name, tensor in self.start.items()}


def coordinator(hospitals: Path, plan: Plan) -> Coordinator:
    folder = hospitals / "site-1"
    site = open_site(folder, load_site_file(folder))
    approvals.approve(folder / "state", plan)
    return Coordinator(site, plan)


@pytest.fixture
def ask(hospitals: Path, plan: Plan) -> Coordinator:
    return coordinator(hospitals, plan)


def decisions(ask: Coordinator) -> list[object]:
    return [line["decision"] for line in ledger.read_lines(ask.site.state / "ledger.jsonl")]  # type: ignore[operator]


@pytest.mark.parametrize("n", [20, pytest.param(580, marks=pytest.mark.slow)])
def test_of_580_crafted_scorings_a_few_are_answered_and_no_other_round_or_name(
    n: int, ask: Coordinator
) -> None:
    rounds = [ask.code("train", r, ask.moved(r - 1)) for r in (1, 2, 3)]

    crafted = [ask.code("evaluate", 3, ask.moved(10 + i)) for i in range(n)]
    again = [ask.code("train", 3, ask.moved(100 + i)) for i in range(10)]
    beyond = [ask.code("train", r) for r in (4, 500, 999_999, 0, -1)]
    beyond += [ask.code("evaluate", r) for r in (4, 999_999, -1)]
    names = [ask.code("train", 1, site=f"site-{i}") for i in range(2, 32)]

    assert rounds == [0, 0, 0]
    assert crafted == [0] * (2 + REPEATS) + [440] * (n - 2 - REPEATS)
    assert {*again, *beyond, *names} == {440}
    assert "write site: site-31 in site.yaml" in " ".join(ask.said)
    assert decisions(ask).count("released") == ask.plan.federation.rounds + 2 + REPEATS
    assert {*decisions(ask)} == {"released", "refused: P13"}
    assert "(policy P13, repeats)" in ask.said[-1]
    assert ledger.first_broken_line(ask.site.state / "questions.jsonl") is None  # type: ignore[operator]


def test_a_refused_question_reads_no_data_and_one_that_fails_is_in_the_book(
    ask: Coordinator,
) -> None:
    read: list[str] = []

    def data(plan: Plan) -> None:
        read.append(plan.study)
        raise OSError

    ask.site = replace(ask.site, data=data)  # type: ignore[arg-type]
    refused = [
        ask.code("train", 9),
        ask.code("train", 1, ask.moved(1)),
        ask.code("train", 1, site="b"),
    ]

    assert (refused, read) == ([440] * 3, [])
    assert ask.code("train", 1) == 900
    (line,) = ledger.read_lines(ask.site.state / "questions.jsonl")  # type: ignore[operator]
    assert (line["kind"], line["round"], read) == ("train", 1, [ask.plan.study])


def test_the_same_question_is_free_and_gets_the_same_bits(ask: Coordinator) -> None:
    first = ask.ask("train", 1)
    ask.ask("train", 2, ask.moved(1))
    for _ in range(2 * REPEATS):
        again = ask.ask("train", 1, nonce=8)  # the kept reply is that of round 2

        assert (
            again.array_records["update"]["flat"].data == first.array_records["update"]["flat"].data
        )
    assert len(ledger.read_lines(ask.site.state / "questions.jsonl")) == 2  # type: ignore[operator]


@pytest.mark.parametrize("n_back", [1, 2])
def test_a_coordinator_that_goes_back_to_a_checkpoint_is_never_refused(
    n_back: int, ask: Coordinator
) -> None:
    rounds = range(1, 4)
    codes = [ask.code("train", r, ask.moved(r - 1)) for r in rounds]
    codes += [ask.code("evaluate", 3, ask.moved(3))]

    first = 4 - n_back  # its question is the same; those after it have other weights, as sites do
    codes += [ask.code("train", first, ask.moved(first - 1))]
    codes += [ask.code("train", r, ask.moved(r - 0.5)) for r in range(first + 1, 4)]
    codes += [ask.code("evaluate", 3, ask.moved(3.5)), ask.code("evaluate", 2, ask.moved(2))]

    assert {*codes} == {0}
    assert ask.code("train", 1, ask.moved(0.2)) == 440  # three rounds back with other weights


def test_a_site_that_slept_goes_on_where_the_study_is(ask: Coordinator) -> None:
    assert [ask.code("train", r, ask.moved(r)) for r in (1, 3)][1] == 0


def test_a_second_run_waits_for_a_second_approval_and_begins_anew(
    ask: Coordinator, hospitals: Path, make_plan: MakePlan
) -> None:
    site, said = hospitals / "site-1", Said()
    assert ask.code("train", 1) == 0
    assert [ask.code("train", 1, run=OTHER_RUN) for _ in range(2)] == [430, 430]
    assert sum("ran here before as run cdcdcdcd" in line for line in ask.said) == 1

    assert not approve_plan(site, make_plan(), lambda text: False, Said())
    assert ask.code("train", 1, run=OTHER_RUN) == 430
    assert approve_plan(site, make_plan(), lambda text: " again" in text, said)

    assert "run cdcdcdcd asked 1 questions" in said.text
    assert ask.code("train", 1, run=OTHER_RUN) == 0
    assert ask.code("train", 2, ask.moved(1), run=OTHER_RUN) == 0
    assert ask.code("train", 1, run="ab" * 16) == 430
    assert decisions(ask).count("refused: P13") == 4


def one_bit(weights: Weights) -> Weights:
    changed = {name: tensor.clone() for name, tensor in weights.items()}
    changed["head.1.bias"].view(torch.int32)[0] ^= 1
    return changed


@pytest.mark.parametrize(
    ("how", "start", "code"),
    [
        ("exact", lambda a: a.start, 0),
        ("exact", lambda a: one_bit(a.start), 440),
        ("close", lambda a: one_bit(a.start), 0),
        ("close", lambda a: a.moved(0.001), 440),
        ("unchecked", lambda a: a.moved(1.0), 0),
    ],
)
def test_round_one_starts_from_the_weights_of_the_plan(
    how: str, start: Callable[[Coordinator], Weights], code: int, ask: Coordinator
) -> None:
    policy = ask.site.policy.model_copy(update={"start_weights": how})
    ask.site = replace(ask.site, policy=policy)

    assert ask.code("train", 1, start(ask)) == code
    if code:
        assert "does not begin with the weights of its plan" in ask.said[-1]
        assert decisions(ask) == ["refused: P14"]


def test_nothing_is_sent_along_before_there_was_a_round(ask: Coordinator) -> None:
    trained = {name: tensor + 9 for name, tensor in ask.start.items()}

    assert ask.code("train", 1, server_state=trained) == 440
    assert ask.code("train", 1) == 0


def test_what_is_sent_once_is_the_plans_and_never_another(
    hospitals: Path, make_plan: MakePlan
) -> None:
    plan = load_plan(make_plan(model={"freeze": "all"}))
    ask = coordinator(hospitals, plan)
    start = shared_weights(build_model(plan), "start")
    crafted = {name: tensor * 2 for name, tensor in start.items()}

    assert ask.code("train", 1, start=crafted) == 440
    assert ask.code("train", 1, start=start) == 0
    assert ask.code("train", 2, ask.moved(1), start=crafted) == 440
    assert ask.code("train", 2, ask.moved(1)) == 0


def kept(ask: Coordinator) -> str:
    path = ask.site.state / "models" / RUN / "model.safetensors"  # type: ignore[operator]
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_kept_model_is_the_last_or_the_best_and_is_not_replaced(ask: Coordinator) -> None:
    for round_ in (1, 2, 3):
        ask.ask("train", round_, ask.moved(round_ - 1))
    ask.ask("evaluate", 3, ask.moved(3))
    last = kept(ask)
    ask.ask("evaluate", 1, ask.moved(1))  # the best, which the site has seen as that of round 1
    best = kept(ask)

    assert ask.code("evaluate", 3, ask.moved(50)) == 0  # answered once more, and not kept
    assert "the kept one stays" in ask.said[-2]
    assert ask.code("evaluate", 0, ask.moved(51)) == 440  # that of round 0 is the plan's

    assert kept(ask) == best != last


def test_a_changed_book_answers_nothing(ask: Coordinator) -> None:
    ask.ask("train", 1)
    path = ask.site.state / "questions.jsonl"  # type: ignore[operator]
    path.write_text(path.read_text().replace('"round": 1', '"round": 0'))

    assert ask.code("train", 2, ask.moved(1)) == 600
    path.unlink()
    assert ask.code("train", 2, ask.moved(1)) == 600


def test_a_run_goes_on_under_a_changed_plan_that_is_approved_and_does_not_begin_again(
    ask: Coordinator, make_plan: MakePlan
) -> None:
    assert [ask.code("train", r, ask.moved(r - 1)) for r in (1, 2, 3)] == [0, 0, 0]
    ask.plan = load_plan(make_plan(federation={"rounds": 9}))
    unapproved = ask.code("train", 4, ask.moved(3))
    said = Said()

    approve_plan(ask.site.state.parent, None, lambda text: True, said)  # type: ignore[union-attr]
    goes_on = ask.code("train", 4, ask.moved(3))
    later = ask.code("train", 6, ask.moved(5))

    assert (unapproved, goes_on, later) == (410, 0, 0)
    assert ask.code("train", 1, ask.moved(7)) == 440
    assert "federation.rounds | 3 | 9" in said.text
    assert "which images medfl reads" not in said.text
    assert "under that plan rounds up to 3 were asked here" in said.text
