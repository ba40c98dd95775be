"""A publication that a study uses, to be cited."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """One publication.

    authors: As BibTeX writes them: family name, given names, joined by `and`.
    year: Of the venue.
    venue: Journal with volume and pages, or conference; empty: a report or software.
    url: Its address; empty: the place that names it has it.
    is_journal: Whether the venue is a journal.
    """

    authors: str
    title: str
    year: int
    venue: str = ""
    url: str = ""
    is_journal: bool = False
