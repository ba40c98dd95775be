"""How files became the patients of a study, by site: participant flow, first table, hours.

What is None was not told: there is none, or fewer than the hospital's smallest cell, or it would
give such a count away.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from medfl_common.metrics.participants import (
    IN_WORDS,
    MAKERS,
    PASSED_OVER,
    REASONS,
    STUDY_PARTS,
    VIEWS,
    Participants,
)
from medfl_common.metrics.site_statistics import AGES, SEXES, SiteStatistics, band_names
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked, Event, Statistics

ALL = "all"  # a site as a whole, beside its parts
UNKNOWN = "unknown"  # the device of a site with an earlier version of medfl
NO_FLOW = "it told its statistics, and no flow (an earlier version of medfl?)"
Told = tuple[SiteStatistics, Participants | None]


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
    counted, silent = _told(events)
    sites = [
        _site_flow(site, counts, flow)
        for site, (counts, flow) in counted.items()
        if flow is not None
    ]
    silent |= {site: NO_FLOW for site, (_, flow) in counted.items() if flow is None}
    return Flow(sites, {} if why_none(plan) else silent, why_none(plan))


def table_one(events: Sequence[Event], plan: Plan) -> TableOne:
    """Read the first table from a run's events; of a site without parts one column, `all`."""
    counted, _ = _told(events)
    columns = [
        _Column(site, part, counts, flow)
        for site, (counts, flow) in counted.items()
        for part in (ALL, *STUDY_PARTS)
        if part == ALL or (flow is not None and any(flow.images))
    ]
    names = {
        "class": ("classes", [*plan.task.classes]),
        "age": ("ages", band_names(AGES, "years")),
        "sex": ("sexes", [*SEXES]),
        "view": ("views", [*VIEWS]),
        "scanner maker": ("makers", [*MAKERS]),
    }
    rows = [
        TableRow(variable, category, [column.count(of, i) for column in columns])
        for variable, (of, categories) in names.items()
        for i, category in enumerate(categories)
    ]
    return TableOne(
        columns=[(column.site, column.part) for column in columns],
        images=[column.images for column in columns],
        patients=[column.patients for column in columns],
        rows=[row for row in rows if any(row.counts)],
        why_none="" if columns else why_none(plan) or "No site told any counts of its data.",
    )


def hours_of(events: Sequence[Event]) -> list[SiteHours]:
    """Add up each site's own seconds of training and scoring, in the replies that were admitted."""
    seconds: dict[str, dict[str, float]] = {}
    answers: Counter[str] = Counter()
    told = [event for event in events if isinstance(event, Asked) and event.kind != Statistics.kind]
    for event in told:
        for site, reply in event.sites.items():
            own, device = seconds.setdefault(site, {}), reply.device or UNKNOWN
            own[device] = own.get(device, 0.0) + reply.seconds
            answers[site] += 1
    return [
        SiteHours(site, {device: s / 3600 for device, s in own.items()}, answers[site])
        for site, own in seconds.items()
    ]


def why_none(plan: Plan) -> str:
    """Say why a plan's sites tell no flow; empty: it asks for it."""
    sections = {"privacy.noise": plan.privacy.noise, "privacy.secure_sum": plan.privacy.secure_sum}
    exact = [name for name, section in sections.items() if section is not None]
    if exact:
        return (
            f"The plan has {' and '.join(exact)}: exact counts of a hospital's files and patients "
            "do not leave it."
        )
    if not plan.federation.participants:
        return "The plan does not ask for a participant flow (federation.participants)."
    return ""


def _told(events: Sequence[Event]) -> tuple[dict[str, Told], dict[str, str]]:
    """Give what each site told last, and who told nothing and why."""
    counted: dict[str, Told] = {}
    missing: dict[str, str] = {}
    for event in events:
        if isinstance(event, Statistics):
            for site, reply in event.sites.items():
                if (counts := reply.statistics) is not None:
                    counted[site] = counts, reply.participants
            missing |= event.missing
    return counted, {site: why for site, why in missing.items() if site not in counted}


def _site_flow(site: str, counts: SiteStatistics, flow: Participants) -> SiteFlow:
    words = [IN_WORDS[code] for code in REASONS]
    n_passed = len(PASSED_OVER)
    files, whose = (
        {word: n for word, n in zip(words, values, strict=True) if n}
        for values in (flow.reasons, flow.reason_patients)
    )
    passed, faults = words[:n_passed], words[n_passed:]
    left_out = {word: files[word] for word in faults if word in files}
    return SiteFlow(
        site=site,
        passed_over={word: files[word] for word in passed if word in files},
        left_out=left_out,
        left_out_patients={word: whose[word] for word in left_out if word in whose},
        more_left_out=(counts.left_out - sum(left_out.values())) or None,
        files=flow.files,
        images=counts.samples,
        found_patients=flow.found_patients or None,
        patients=counts.patients,
        part_images=_parts(flow.images),
        part_patients=_parts(flow.patients),
    )


def _parts(values: Sequence[int]) -> dict[str, int]:
    return dict(zip(STUDY_PARTS, values, strict=True)) if any(values) else {}


@dataclass(frozen=True)
class _Column:
    site: str
    part: str
    statistics: SiteStatistics
    flow: Participants | None

    @property
    def images(self) -> int | None:
        return self.statistics.samples if self.part == ALL else self._of_part("images")

    @property
    def patients(self) -> int | None:
        if self.part == ALL:
            return self.statistics.patients or None
        return self._of_part("patients")

    def count(self, table: str, place: int) -> int | None:
        """Give the images of a category; of a category that is told by part, 0 is none."""
        row = getattr(self.flow, table)[place] if self.flow is not None else ()
        if self.part != ALL:
            return int(row[STUDY_PARTS.index(self.part)]) if any(row) else None
        whole = getattr(self.statistics, table, None)
        return (sum(row) if whole is None else int(whole[place])) or None

    def _of_part(self, name: str) -> int | None:
        values = getattr(self.flow, name)
        return int(values[STUDY_PARTS.index(self.part)]) if any(values) else None
