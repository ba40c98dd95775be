"""A line of the dossier, and whose it is."""

from dataclasses import dataclass

from medfl_common.ui.page import Section, Table

FROM_RUN, YOURS = "from the run", "you write this"


@dataclass(frozen=True)
class Line:
    """One thing that the dossier says.

    what: What it is about.
    text: What the run knows; or what a person has to write.
    is_known: Whether the run knows it.
    """

    what: str
    text: str
    is_known: bool = True


def yours(what: str, text: str) -> Line:
    """Ask a person for what no run knows."""
    return Line(what, text, is_known=False)


def section(heading: str, lines: list[Line], text: str = "") -> Section:
    """Lay lines out as a table that says of each whose it is."""
    rows = [[one.what, one.text, FROM_RUN if one.is_known else YOURS] for one in lines]
    header = ["what", "what is said", "whose line"]
    return Section(heading, [text] if text else [], tables=[Table(header, rows, is_text=True)])
