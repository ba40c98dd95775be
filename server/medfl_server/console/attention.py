"""Each hospital in a word, and what needs a person."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from medfl_server.console.facts import SiteFacts
from medfl_server.console.state import State
from medfl_server.console.words import clock

SLOW_S, SLOW_TIMES = 20.0, 3.0  # later than both of these a hospital is slow
MARKS = {"good": "✓", "wait": "…", "bad": "✕", "warn": "!", "off": "-"}
NOW = {
    "answered": ("has answered", "good"),
    "asked": ("is working", "wait"),
    "waiting": ("is connected", "wait"),
    "away": ("is not connected", "bad"),
    "failed": ("gives nothing this time", "bad"),
    "late": ("is still at work on an earlier question", "warn"),
}


class Need(NamedTuple):
    """What waits for a person: who, what of them, what to do."""

    who: str
    what: str
    todo: str
    page: str = ""  # where it is done


class Word(NamedTuple):
    """What a hospital does, and how that looks."""

    text: str
    look: str

    @property
    def mark(self) -> str:
        """Give its mark, which needs no colour."""
        return MARKS[self.look]


@dataclass(frozen=True)
class Row:
    """A hospital in the table."""

    name: str
    word: Word
    facts: SiteFacts
    auc: str  # the main score there, in digits or words


def rows(state: State) -> list[Row]:
    """List the hospitals, those that need a person first."""
    names = dict.fromkeys([*state.roster, *state.facts.sites])
    found = [_row(state, name) for name in names]
    order = {"bad": 0, "warn": 1, "wait": 2}
    return sorted(found, key=lambda row: (order.get(row.word.look, 3), not _was_refused(row.facts)))


def _was_refused(facts: SiteFacts) -> bool:
    return bool(facts.rounds) and facts.rounds[-1] == "bad"


def _row(state: State, name: str) -> Row:
    facts = state.facts.site(name)
    return Row(name, _word(state, name), facts, _there(state, facts))


def _there(state: State, facts: SiteFacts) -> str:
    if facts.score is not None:
        return "none" if facts.score.value is None else facts.score.written
    if state.plan.privacy.secure_sum is not None:
        return "told together"
    return "kept back" if state.facts.last is not None and facts.n_images else ""


def _word(state: State, name: str) -> Word:
    if state.roster and name not in state.roster:
        return Word("is not in the study any more", "off")
    if state.moment is None or state.word in ("rests", "ends"):
        quiet = {
            "finished": "done", "paused": "paused", "rests": "paused", "new": "enrolled",
            "starting": "is not asked yet", "ends": "has trained",
        }  # fmt: skip
        return Word(quiet.get(state.word, "no word: the study does not run"), "off")
    now = state.moment.sites.get(name)
    if now is None:
        return Word("not in this round", "off")
    if is_slow(state, name):
        return Word("is slow", "warn")
    text, look = NOW.get(now.state, (now.state, "off"))
    return Word(f"{text}: {now.why}" if now.why else text, look)


def is_slow(state: State, name: str) -> bool:
    """Say whether a hospital that is at work takes much longer than it usually does."""
    moment, usual = state.moment, state.facts.site(name).usual_s
    if moment is None or usual is None or name not in moment.names("asked"):
        return False
    return state.now - moment.sites[name].since > max(SLOW_S, SLOW_TIMES * usual)


def needs(state: State, folder: str) -> list[Need]:
    """List what waits for the coordinator.

    Args:
        state: The study.
        folder: Its directory's name; all who look see it.
    """
    compare = "Compare its fingerprint by telephone, and admit it."
    asking = [Need(name, "asks to join", compare, "invitations") for name in state.asks]
    of_sites = [] if state.is_over else [_of_site(state, row) for row in rows(state)]
    return [*_of_course(state, folder), *asking, *filter(None, of_sites)]


def _of_course(state: State, folder: str) -> Iterator[Need]:
    run, resume = f"medfl-server run {folder}", f"medfl-server resume {folder}"
    n = state.facts.n_empty
    if state.word == "halted":
        yield Need("The coordinator", "does not run", f"Start it, and it goes on: {run}")
    elif state.word == "paused":
        yield Need("The study", "rests", f"To go on: {resume}")
    elif state.word == "new":
        yield Need("The study", "waits to be started", run)
    elif n and not state.is_over:
        what = f"has made {n} round{'s' * (n != 1)} in vain: too few good replies"
        yield Need("The study", what, "Look below at who gave nothing, and telephone them.")


def _of_site(state: State, row: Row) -> Need | None:
    facts, moment = row.facts, state.moment
    if row.name not in state.roster:
        return None
    if _was_refused(facts):
        what = f"sent a reply that was refused ({facts.why})"
        return Need(row.name, what, "Telephone the hospital.")
    if moment is not None and is_slow(state, row.name):
        then = f"; the round closes at {clock(moment.deadline)[11:]}" if moment.deadline else ""
        what = f"is slow: it usually answers after {facts.usual_s or 0:.0f} s{then}"
        return Need(row.name, what, "Telephone the hospital if that goes on.")
    if moment is not None and row.word.look == "bad":
        todo = "Telephone the hospital: is its machine on, and does its client run?"
        return Need(row.name, row.word.text, todo)
    return None
