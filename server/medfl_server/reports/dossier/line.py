"""A line of the dossier, and whose it is."""

from dataclasses import dataclass

from medfl_common.ui.page import Section, Table

FROM_RUN, ALWAYS, YOURS = "from the run", "in every run", "you write this"


@dataclass(frozen=True)
class Line:
    """One thing that the dossier says.

    what: What it is about.
    text: What the run knows; or what a person has to write.
    whose: `from the run`, of its plan or log; `in every run` of medfl; `you write this`.
    """

    what: str
    text: str
    whose: str = FROM_RUN


def yours(what: str, text: str) -> Line:
    """Ask a person for what no run knows."""
    return Line(what, text, YOURS)


def always(what: str, text: str) -> Line:
    """Say what holds in every run."""
    return Line(what, text, ALWAYS)


def section(heading: str, lines: list[Line], text: str = "") -> Section:
    """Lay lines out as a table that says of each whose it is."""
    rows = [[one.what, one.text, one.whose] for one in lines]
    header = ["what", "what is said", "whose line"]
    return Section(heading, [text] if text else [], tables=[Table(header, rows, is_text=True)])
