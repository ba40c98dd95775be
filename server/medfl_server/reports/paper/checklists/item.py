"""An item of a checklist: what it asks, what the run says to it, and what a person writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medfl_common.ui.page import Section, Table
from medfl_server.reports.dossier.line import FROM_RUN, YOURS, Line, yours
from medfl_server.reports.paper.facts import Facts

HEADER = ["item", "what it asks", "what is said", "whose line", "you add"]


def unknown(facts: Facts) -> str:
    """Say nothing: no run knows it."""
    return ""


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    number: As the checklist has it.
    asks: What it asks, in medfl's words.
    hint: What a person writes where the run does not know it, or adds to what the run says.
    found: What the run says to it; empty: it does not know.
    whose: `from the run`; or `in every run` of medfl, where it says something.
    is_whole: Whether what the run says answers all that the item asks.
    whole_if: Says it of a run, where it is not so of each.
    """

    number: str
    asks: str
    hint: str
    found: Callable[[Facts], str] = unknown
    whose: str = FROM_RUN
    is_whole: bool = True
    whole_if: Callable[[Facts], bool] = lambda facts: True


@dataclass(frozen=True)
class Answered:
    """An item with its line, and what a person still adds to it."""

    item: Item
    line: Line
    adds: str = ""

    @property
    def is_filled(self) -> bool:
        """Say whether the run answers it, or a part of it."""
        return self.line.whose != YOURS


@dataclass(frozen=True)
class Checklist:
    """A checklist: its title, its source, and its items under their headings."""

    title: str
    source: str
    parts: Sequence[tuple[str, Sequence[Item]]]

    @property
    def items(self) -> list[Item]:
        """List all items."""
        return [item for _, items in self.parts for item in items]


@dataclass(frozen=True)
class Filled:
    """A checklist with its answers under their headings."""

    checklist: Checklist
    parts: Sequence[tuple[str, Sequence[Answered]]]

    @property
    def answers(self) -> list[Answered]:
        """List all answers."""
        return [one for _, answers in self.parts for one in answers]

    @property
    def in_words(self) -> str:
        """Count what the run fills, what of it a person adds to, and the rest."""
        found = self.answers
        filled = [one for one in found if one.is_filled]
        n_partly = sum(bool(one.adds) for one in filled)
        return (
            f"{len(filled)} of {len(found)} items are filled by the run ({n_partly} of them in "
            f"part: you add to them), {len(found) - len(filled)} are for you to write."
        )


def answer(item: Item, facts: Facts) -> Answered:
    """Fill an item from the run, or ask a person for it."""
    text = item.found(facts)
    if not text:
        return Answered(item, yours(item.asks, item.hint))
    is_whole = item.is_whole and item.whole_if(facts)
    return Answered(item, Line(item.asks, text, item.whose), "" if is_whole else item.hint)


def fill(checklist: Checklist, facts: Facts) -> Filled:
    """Answer each item as far as the run can."""
    parts = [(name, [answer(item, facts) for item in items]) for name, items in checklist.parts]
    return Filled(checklist, parts)


def sections_of(filled: Filled) -> list[Section]:
    """Lay a checklist out, a table for each of its headings."""
    return [
        Section(heading, tables=[Table(HEADER, [_row(one) for one in answers])])
        for heading, answers in filled.parts
    ]


def _row(one: Answered) -> list[str]:
    return [one.item.number, one.item.asks, one.line.text, one.line.whose, one.adds]
