"""How a study is going, in a sentence."""

import time
from typing import NamedTuple

from medfl_common.run.events import Paused
from medfl_common.ui.screen import in_words
from medfl_server.console.happened import listed
from medfl_server.console.moment import Moment
from medfl_server.console.scores import Score
from medfl_server.console.state import State

QUESTIONS = {
    "describe": "the hospitals count their data",
    "keys": "the hospitals give keys for sums",
    "setups": "the hospitals set up sums",
    "open": "the hospitals open their sum",
    "evaluate": "the hospitals score the model",
    "test": "the hospitals score the result on test patients",
}
SCORINGS = ("evaluate", "test")  # the questions whose round is that of the model


class Answer(NamedTuple):
    """The sentence at the top: what is so, for whom it waits since when, what else is known."""

    head: str
    rest: str = ""
    look: str = ""  # good, bad
    since: float = 0.0  # of the waiting; 0: nobody is waited for
    waited: str = ""  # names


def answer(state: State) -> Answer:
    """Say how a study is going."""
    made, n_rounds = state.facts.n_made, state.n_rounds
    score, left = _score_in_words(state), _left(state)
    so_far = f"{made} of {n_rounds} rounds are made.{_ends(state)}"
    resting = {
        "finished": lambda: _finished(state),
        "paused": lambda: Answer(
            "Paused.",
            f"The study is {state.wish}. {so_far} {score}",
        ),
        "new": lambda: Answer(
            "Not started yet.",
            f"{_n(len(state.roster))} enrolled; the plan has {n_rounds} rounds.{_ends(state)}",
        ),
        "halted": lambda: _halted(state, score),
        "starting": lambda: Answer("Starting.", f"{so_far} {score}"),
        "rests": lambda: Answer("Paused.", f"{so_far} {score}"),
        "ends": lambda: Answer("Ending.", f"No round follows; the result is scored. {score}"),
    }  # fmt: skip
    if state.word in resting:
        return resting[state.word]()
    moment = state.moment
    assert moment is not None  # `waits` and `works` have one
    if state.word == "waits":
        return _waits(state, moment)
    wish = (" It rests after this round." if state.wish else "") + _ends(state)
    return _works(state, moment)._replace(rest=f"{score}{left}{wish}")


def _halted(state: State, score: str) -> Answer:
    facts = state.facts
    why = "The program that runs this study has stopped"
    if facts.state is Paused and facts.ends is not None:
        why = "Too few hospitals answered too often, so the study rests"
        if "by" in facts.ends.facts:
            why = "The pause is lifted, and nobody has started the study again"
    return Answer(
        "Not running.",
        f"{why}; the last line of its log is of {clock(facts.newest)}. {facts.n_made} of "
        f"{state.n_rounds} rounds are made, and nothing is lost.{_ends(state)} {score}", "bad",
    )  # fmt: skip


def _ends(state: State) -> str:
    return f" It is {state.ends}." if state.ends else ""


def _works(state: State, moment: Moment) -> Answer:
    n, n_in = len(moment.sites), len(moment.names("answered"))
    what = QUESTIONS.get(moment.kind, "")
    head = f"Round {moment.round} of {state.n_rounds}: "
    # Those between rounds have no round in the file, or the number of a sum.
    after = moment.round if moment.kind in SCORINGS else state.facts.n_made
    head = f"{f'After round {after}' if after else 'Before round 1'}, {what}: " if what else head
    head += f"{n_in} of {n} hospitals answered."
    waited = moment.names("asked", "waiting", "late")
    return Answer(head, since=moment.since if waited else 0.0, waited=listed(waited, 3))


def _waits(state: State, moment: Moment) -> Answer:
    n_here, made = len(moment.names("waiting", "answered")), state.facts.n_made
    needed = "" if moment.quorum is None else f"; {moment.quorum} are needed"
    away = moment.names("away")
    head = f"Round {made + 1} of {state.n_rounds} waits for hospitals: {n_here} connected{needed}."
    told = f"{_score_in_words(state)}{_ends(state)}"
    return Answer(head, told, "", moment.since if away else 0.0, listed(away, 3))


def _finished(state: State) -> Answer:
    facts = state.facts
    result = facts.ends.facts.get("round", facts.n_made) if facts.ends else facts.n_made
    text = f"The result is the model of round {result} of {facts.n_made}."
    if facts.tested is not None and facts.tested.value is not None:
        text += f" On test patients, who chose nothing: {_of(facts.tested, facts.title)}."
    stopped = facts.stopped
    head = "Finished." if stopped is None else "Finished early."
    why = "" if stopped is None else f"It was {stopped.in_words(state.n_rounds)}. "
    return Answer(head, f"{why}{text} {_score_in_words(state)}", "good")


def _score_in_words(state: State) -> str:
    facts = state.facts
    if facts.last is None:
        return "No scores yet." if not facts.n_made else "The hospitals tell no scores."
    first = facts.first
    text = f"{_of(facts.last, facts.title)} on held-out patients"
    if first is not None and first is not facts.last and first.value is not None:
        text += f" (before training {first.written})"
    noise = ", with noise added on purpose" if state.plan.privacy.noise is not None else ""
    return f"The common model has {text}{noise}."


def _of(score: Score, title: str) -> str:
    return f"{title} {score.written} on {score.n:,} images"


def _left(state: State) -> str:
    seconds, n = sorted(state.facts.seconds), state.n_rounds - state.facts.n_made
    if not seconds or n <= 0:
        return ""
    return f" {in_words(seconds[len(seconds) // 2] * n).capitalize()} left."


def _n(n: int) -> str:
    return f"{n} hospital is" if n == 1 else f"{n} hospitals are"


def clock(at: float) -> str:
    """Write a time as a person here reads it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
