"""How files became the patients of a study, by site: participant flow, first table, hours.

What is None was not told: there is none, or fewer than the hospital's smallest cell, or it would
give such a count away.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from medfl_common.plan.plan import Plan
from medfl_common.run.events import Event


@dataclass(frozen=True)
class SiteFlow:
    """What one site told of the way from its files to the parts of the study."""

    site: str
    passed_over: dict[str, int]  # files by reason, in words: no images, copies, rests of series
    left_out: dict[str, int]  # files by reason, in words: faults, and what the plan does not want
    left_out_patients: dict[str, int]  # whose these are, where headers name enough patients
    more_left_out: int | None  # files left out for reasons that are not told
    files: int  # of images that take part
    images: int  # that take part: what has one label, mask or set of boxes
    found_patients: int | None  # of whom a file can be read
    patients: int  # of whom an image takes part
    part_images: dict[str, int]  # train, validation, test -> images; empty: not told
    part_patients: dict[str, int]  # the same for patients; empty: not told

    @property
    def found(self) -> int:
        """Count the files that were found, but for those of reasons that are not told."""
        told = (*self.passed_over.values(), *self.left_out.values())
        return self.files + sum(told) + (self.more_left_out or 0)


@dataclass(frozen=True)
class Flow:
    """The participant flow of a study."""

    sites: list[SiteFlow]
    silent: dict[str, str]  # site -> why it told none
    why_none: str = ""  # why no site was asked at all, in a sentence; empty: they were


@dataclass(frozen=True)
class TableRow:
    """One line of the first table: images of a category, in each column's order."""

    variable: str  # class, age, sex, view or scanner maker
    category: str
    counts: list[int | None]


@dataclass(frozen=True)
class TableOne:
    """The first table of a paper: columns are (site, part), `all` a site as a whole."""

    columns: list[tuple[str, str]]
    images: list[int | None]  # of each column
    patients: list[int | None]
    rows: list[TableRow] = field(default_factory=list)
    why_none: str = ""  # why there is no column, in a sentence


@dataclass(frozen=True)
class SiteHours:
    """How long a site worked for a study, by the answers that were admitted."""

    site: str
    by_device: dict[str, float]  # `cuda`, `cpu` or `unknown` -> hours
    n_answers: int

    @property
    def hours(self) -> float:
        """Add all up."""
        return sum(self.by_device.values())


def flow_of(events: Sequence[Event], plan: Plan) -> Flow:
    """Read the participant flow from a run's events."""
    raise NotImplementedError


def table_one(events: Sequence[Event], plan: Plan) -> TableOne:
    """Read the first table from a run's events."""
    raise NotImplementedError


def hours_of(events: Sequence[Event]) -> list[SiteHours]:
    """Add up each site's hours from a run's events."""
    raise NotImplementedError
