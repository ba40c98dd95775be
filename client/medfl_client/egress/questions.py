"""The book of questions: what was asked under each plan, and what may still be asked.

`permit` bounds the plan; the book bounds what is asked under it. `state/questions.jsonl` is chained
as the ledger is. A question is in it, on the disk, before any data are read for its answer.

An approval of a plan with R rounds is good for one run of it: statistics once, each round once, two
scorings, and one on the test part. A restarted coordinator may ask otherwise a few times more: the
policy's `repeats`. What was asked before, with the same weights to the bit, is free. Under a
changed plan a run goes on where it was: the approval is good for the rounds that are left.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from medfl_client.config.folder import StateFolder
from medfl_client.config.rules import RULES, rule
from medfl_client.config.site_file import Policy
from medfl_client.egress import approvals, ledger
from medfl_client.egress.start_weights import check_start
from medfl_common.errors import QuestionError, RunError, SecondRunError
from medfl_common.plan.plan import Plan
from medfl_common.wire.tasks import TrainTask, sum_round

BACK = 2  # rounds: a coordinator has two checkpoints
N_SCORINGS = 2  # at the end: of the last model, and of the best
UNREAD = "no data was read"


@dataclass(frozen=True)
class Question:
    """One line of the book; the hashes are SHA-256 of arrays as they came, or empty."""

    plan: str  # hash
    run: str
    kind: str
    round: int
    weights: str
    told: str  # what the coordinator's strategy sent along
    start: str  # what is sent once
    approval: int  # the how manieth of the plan it belongs to, from 1
    keeps: bool = False  # the site keeps the model that it scores

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        """Read a line; what a later version adds to it is left."""
        return cls(**{name: line[name] for name in cls.__dataclass_fields__})

    @property
    def asks(self) -> tuple[str, int, str, str]:
        """What is asked, whichever run asks it and whenever."""
        return (self.kind, self.round, self.weights, self.told)


@dataclass(frozen=True)
class Use:
    """What was asked under the newest approval of a plan."""

    run: str
    n_questions: int
    last: float  # seconds since 1970

    @property
    def in_words(self) -> str:
        """Say it to a person."""
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.last))
        return f"run {self.run[:8]} asked {self.n_questions} questions, the last on {day}"


def check_head(task: TrainTask, site: str) -> None:
    """Refuse another name than the site's own, and a round that the plan has not."""
    if task.site != site:
        error = refused(f"this site is {site}, and is asked as {task.site}")
        error.todo = (
            f"if {task.site} is the name that was agreed on, write site: {task.site} in site.yaml "
            f"and start again; else ask the coordinator to enrol this site as {site}"
        )
        raise error
    n_rounds = task.plan.federation.rounds
    last = {"describe": 0, "keys": 0, "setups": 0}.get(task.kind, n_rounds)
    if task.kind == "open":  # what was not masked here is not opened, whatever its number
        last = sum_round("test", n_rounds)
    if not (task.kind in ("train", "open")) <= task.round <= last:
        raise refused(f"{task.kind} is asked of round {task.round}, the plan has {last}")


@dataclass(frozen=True)
class Entered:
    """A question that may be answered."""

    keeps: bool = False  # the site keeps the model that it scores
    is_again: bool = False  # it was asked before


def enter(state: Path, task: TrainTask, asked: Mapping[str, str], policy: Policy) -> Entered:
    """Write a question into the book, or refuse it; what is free leaves no second line.

    Args:
        state: The site's state.
        task: What is asked, with its weights.
        asked: SHA-256 of the task's records `weights`, `told` and `start`.
        policy: The site's.
    """
    n_approvals = max(approvals.n_approvals(state, task.plan.hash()), 1)
    new = Question(
        plan=task.plan.hash(), run=task.run, kind=task.kind, round=task.round,
        weights=asked["weights"], told=asked["told"], start=asked["start"], approval=n_approvals,
    )  # fmt: skip
    every = _read(state)
    known = [line for line in every if line.plan == new.plan]
    _check_run(state, known, new, task.plan)
    _check_start(known, new, task, policy)
    same = [line for line in known if line.asks == new.asks]
    if here := [line for line in same if line.run == new.run and new.start in ("", line.start)]:
        return Entered(here[0].keeps, is_again=True)
    n_tests = _n_tests(task.plan, policy) * n_approvals
    n_extra = _n_extra([*known, new], n_approvals, n_tests)
    is_extra = n_extra > _n_extra(known, n_approvals, n_tests)
    if not same:
        _check_order(every, new)
        if is_extra and n_extra > policy.repeats * n_approvals:
            raise refused(
                f"{_in_words(new)} was asked with other weights before, and {policy.repeats} such "
                "repetitions are the most"
            )
    own = [line for line in same if line.run == new.run]
    keeps = own[0].keeps if own else not is_extra and _is_kept(known, new, task.plan)
    new = Question(**{**asdict(new), "keeps": keeps})
    ledger.append(StateFolder(state).questions, {"study": task.plan.study, **asdict(new)})
    return Entered(keeps, is_again=bool(same))


def use_of(state: Path, plan: Plan) -> Use | None:
    """Say what the newest approval of a plan was used for; None: nothing was asked under it."""
    n = max(approvals.n_approvals(state, plan.hash()), 1)
    lines = ledger.read_lines(StateFolder(state).questions)
    used = [line for line in lines if line["plan"] == plan.hash() and line["approval"] == n]
    if not used:
        return None
    return Use(str(used[-1]["run"]), len(used), float(str(used[-1]["time"])))


def newest_run(state: Path, plan_hash: str) -> str:
    """Name the run that asked last under a plan; empty: none has."""
    runs = [line.run for line in _read(state) if line.plan == plan_hash]
    return runs[-1] if runs else ""


def rounds_of(state: Path, plan_hash: str) -> Question | None:
    """Give the last round that was asked under a plan; None: none was."""
    rounds = [line for line in _read(state) if line.plan == plan_hash and line.kind == "train"]
    return rounds[-1] if rounds else None


def plans_of(state: Path, run: str) -> set[str]:
    """Give the hashes of the plans under which a run asked: it goes on under a changed one."""
    return {line.plan for line in _read(state) if line.run == run}


def refused(what: str, setting: str = "repeats") -> QuestionError:
    """Make the error of a question that the plan does not need."""
    error = QuestionError(
        f"{what} {rule(setting)}",
        data=UNREAD,
        todo="if the study is an honest one, medfl-client approve allows its questions once more",
    )
    error.rule = RULES[setting][0]
    return error


def _read(state: Path) -> list[Question]:
    path = StateFolder(state).questions
    broken = ledger.first_broken_line(path)
    if broken is not None:
        raise RunError(
            f"{path}, line {broken.line}: {broken.what}. Nothing is answered",
            todo="put the file and its .head aside as evidence, and approve the plan again",
        )
    return [Question.of(line) for line in ledger.read_lines(path)]


def _check_run(state: Path, known: Sequence[Question], new: Question, plan: Plan) -> None:
    """Each approval is good for one run."""
    runs = list(dict.fromkeys(line.run for line in known))
    if new.run in runs or len(runs) < new.approval:
        return
    error = SecondRunError(
        f"the plan of study {plan.study} (hash {new.plan[:12]}) ran here before as run "
        f"{runs[-1][:8]}, and is asked for anew as run {new.run[:8]} {rule('repeats')}",
        todo=f"to allow it: medfl-client approve {state.parent} {approvals.propose(state, plan)}",
        data=UNREAD,
    )
    error.rule = RULES["repeats"][0]
    raise error


def _check_start(known: Sequence[Question], new: Question, task: TrainTask, policy: Policy) -> None:
    """The study begins as the plan says, and what is sent once is never another."""
    starts = {line.start for line in known if line.start}
    if new.start and starts and new.start not in starts:
        raise refused("the weights that are sent once are others than before", "start_weights")
    is_known = any(line.asks == new.asks for line in known)
    has_shared = not is_known and (new.kind, new.round) in (("train", 1), ("evaluate", 0))
    has_rest = bool(new.start) and not starts
    if has_shared or has_rest:
        check_start(task, policy.start_weights, has_shared, has_rest)


def _check_order(every: Sequence[Question], new: Question) -> None:
    """Rounds go on, under a changed plan too; a restarted coordinator goes back two at most."""
    own = [line for line in every if line.kind == "train" and line.run == new.run]
    is_first = new.approval == 1
    rounds = [line.round for line in own
              if (line.plan, line.approval) == (new.plan, new.approval)
              or (is_first and line.plan != new.plan)]  # fmt: skip
    if new.kind == "train" and new.round < max(rounds, default=0) - BACK:
        raise refused(f"round {new.round} is asked anew after round {max(rounds)}")


def _n_tests(plan: Plan, policy: Policy) -> int:
    """Count the tests that a plan needs of a site: one of the result, or one a round besides."""
    is_each_round = plan.evaluation.outside == "rounds" and policy.role == "evaluate"
    return 1 + plan.federation.rounds * is_each_round


def _n_extra(lines: Sequence[Question], n_approvals: int, n_tests: int) -> int:
    """Count the questions beyond one a round, two scorings and a test, for each approval.

    To score the model of a round that went on to be trained is the plan's own question only if its
    weights are those.
    """
    asked = {line.asks for line in lines}
    trained: dict[int, set[str]] = {}
    n_of_round: dict[int, int] = {}
    for kind, round_, weights, _ in asked:
        if kind == "train":
            trained.setdefault(round_, set()).add(weights)
            n_of_round[round_] = n_of_round.get(round_, 0) + 1
    scored = {(round_, weights) for kind, round_, weights, _ in asked if kind == "evaluate"}
    others = {(k, w) for k, w in scored if w not in trained.get(k + 1, {w})}
    n_train = sum(max(n - n_approvals, 0) for n in n_of_round.values())
    n_more_tests = max(sum(kind == "test" for kind, *_ in asked) - n_tests, 0)
    n_scorings = max(len(scored - others) - N_SCORINGS * n_approvals, 0)
    return n_train + len(others) + n_scorings + n_more_tests


def _is_kept(known: Sequence[Question], new: Question, plan: Plan) -> bool:
    """Say whether a site keeps a model: the last, or the best in its place, and then no other."""
    if new.kind not in ("evaluate", "test"):
        return False
    kept = [line for line in known if line.keeps
            and (line.run, line.approval) == (new.run, new.approval)]  # fmt: skip
    is_best = len(kept) == 1 and plan.evaluation.keep == "best" and new.round < kept[0].round
    return not kept or is_best


def _in_words(new: Question) -> str:
    what = {"train": "", "test": "the test of "}.get(new.kind, "the scoring of ")
    return f"{what}round {new.round}"
