"""What a site's list of boxes holds, for who maps its names and for who looks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from medfl_client.config.site_file import DataFiles
from medfl_client.data.boxes.joined import NO_ENTRY
from medfl_client.data.boxes.listed import Entry
from medfl_client.data.boxes.lists import read_entries
from medfl_client.data.boxes.names import meaning
from medfl_client.data.ingest import Collection
from medfl_client.data.reasons import count_reasons, without_figures
from medfl_client.data.selection import Selection
from medfl_client.readiness.masks import N_LISTED, QUANTILES
from medfl_common.errors import DataError
from medfl_common.ops.checks import Finding, fail_for, ok, warn
from medfl_common.plan.plan import Plan
from medfl_common.ui.page import Section, Table

UNMAPPED = "nothing yet: write it under data.boxes.names"
UNNAMED = "(the list has no names)"


@dataclass(frozen=True)
class NamedBoxes:
    """One name in the list of boxes."""

    name: str
    boxes: int
    meaning: str  # class of the plan or ignore; empty: the site file says nothing


@dataclass(frozen=True)
class BoxFacts:
    """What the list of boxes of a site holds."""

    names: list[NamedBoxes]
    without: dict[str, int]  # reason -> images that have no boxes, and are left out
    unused: dict[str, str]  # place in the list -> why no image has it
    notes: dict[str, int] = field(default_factory=dict)  # what was passed over -> images
    # class -> images with a box of it, images without, boxes; of what nobody knows no image
    cases: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    per_image: list[float] = field(default_factory=list)  # QUANTILES of boxes of an image
    sizes: dict[str, list[float]] = field(default_factory=dict)  # class -> QUANTILES
    unit: str = ""  # of the sizes
    fault: Finding | None = None  # of the list, that nothing else has told
    unasked: tuple[str, ...] = ()  # classes that the list is not about


def box_facts(
    base: Path,
    data: DataFiles,
    plan: Plan | None,
    secret: bytes,
    selection: Selection,
    collection: Collection | None,
) -> BoxFacts | None:
    """List names, counts and sizes; without a plan, or where names have no class, names alone.

    None: the site's labels are no boxes. Without a plan a fault of the list is a finding: with one
    the selection has told it.
    """
    if data.labels_from != "boxes":
        return None
    classes = () if plan is None else plan.task.classes
    entries: dict[str, Entry] = {}
    fault = None
    try:
        entries = read_entries(base, data, secret)
    except DataError as error:
        fault = fail_for(error, "correct the list of boxes") if plan is None else None
    counts: Counter[str] = Counter()
    for entry in entries.values():
        for one in entry.everything:
            counts[one.name] += one.is_box
    order = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    names = [NamedBoxes(name or UNNAMED, n, _meaning(name, classes, data)) for name, n in order]
    without = {str(i): reason for i, (_, reason) in enumerate(selection.unlabelled)}
    facts = BoxFacts(names, count_reasons(without), selection.unused_boxes, fault=fault)
    return facts if collection is None or plan is None else with_boxes(facts, collection, plan)


def _meaning(name: str, classes: Sequence[str], data: DataFiles) -> str:
    return "" if not classes else meaning(name, classes, data.boxes) or ""


def met_boxes(collection: Collection, plan: Plan) -> BoxFacts:
    """Say what the boxes of a collection are."""
    return with_boxes(BoxFacts([], {}, collection.unused_boxes), collection, plan)


def with_boxes(facts: BoxFacts, collection: Collection, plan: Plan) -> BoxFacts:
    """Add what is in the boxes: notes, and number and size of those of each class."""
    boxes = collection.boxes
    if boxes is None:
        return facts
    notes = Counter(without_figures(n) for own in collection.box_notes for n in set(own))
    every = np.concatenate(boxes) if boxes else np.zeros((0, 1 + 2 * plan.images.dimensions))
    voxel_mm = plan.images.voxel_mm
    sides = every[:, 1 + plan.images.dimensions :] * np.array(voxel_mm or 1.0)
    cases, sizes = {}, {}
    for k, name in enumerate(plan.task.classes):
        known = [sample.targets[k] for sample in collection.samples]
        largest = sides[every[:, 0] == k].max(axis=1, initial=0)
        cases[name] = known.count(1), known.count(0), len(largest)
        if len(largest):
            sizes[name] = np.quantile(largest, [*QUANTILES.values()]).tolist()
    return replace(
        facts,
        notes=dict(notes.most_common()),
        cases=cases,
        per_image=np.quantile([len(own) for own in boxes], [*QUANTILES.values()]).tolist(),
        sizes=sizes,
        unit=plan.images.distance_unit,
        unasked=tuple(name for name, (n, without, _) in cases.items() if boxes and not n + without),
    )


def boxes_as_json(facts: BoxFacts | None) -> dict[str, object]:
    """Give the facts of boxes, but no name of a file; none where the labels are no boxes."""
    if facts is None:
        return {}
    told = {key: value for key, value in asdict(facts).items() if key != "fault"}
    return {"boxes": told | {"unused": count_reasons(facts.unused)}}


def check_boxes(facts: BoxFacts | None) -> list[Finding]:
    """Judge what a person should look at."""
    if facts is None:
        return []
    findings = [] if facts.fault is None else [facts.fault]
    n_without = sum(facts.without.values())
    if n_without:
        reasons = "; ".join(f"{n} x {reason}" for reason, n in facts.without.items())
        what = f"images that the list of boxes does not help: {n_without:,} ({reasons})"
        todo = "see the page, and correct the list"
        if NO_ENTRY in facts.without:
            todo += "; data.boxes.unlisted: none, if nothing is there where it names no image"
        findings.append(warn(what, todo))
    if facts.unused:
        what = f"images of the list of boxes that are not here: {len(facts.unused):,}"
        findings.append(warn(what, "see their list on the page"))
    findings += [
        warn(f"images where {note}: {n:,}", "medfl-client look shows a case with its boxes")
        for note, n in facts.notes.items()
    ]
    findings += [
        ok(f"the list of boxes is not about {name}: of it nobody knows in these images")
        for name in facts.unasked
    ]
    lacking = [name for name, (n, *_) in facts.cases.items() if not n]
    return findings + [ok(f"no image has {n}") for n in lacking if n not in facts.unasked]


def box_section(facts: BoxFacts) -> Section:
    """Show names, counts and sizes on the page."""
    tables = box_tables(facts)
    if facts.unused:
        listed = [[place, why] for place, why in sorted(facts.unused.items())[:N_LISTED]]
        tables.append(Table(["in the list, without an image", "reason"], listed, is_text=True))
    return Section("What the list of boxes holds", [], tables=tables)


def box_tables(facts: BoxFacts) -> list[Table]:
    """Give names, counts and sizes; no file name."""
    names = [[one.name, f"{one.boxes:,}", one.meaning or UNMAPPED] for one in facts.names]
    tables = [
        Table(["name in the list", "boxes", "means"], names[:N_LISTED], is_text=True),
        _counted("images without boxes, because", facts.without),
        _counted("images where", facts.notes),
    ]
    lines = [[name, *(f"{n:,}" for n in counts)] for name, counts in facts.cases.items()]
    tables.append(Table(["class", "images with it", "without", "boxes"], lines))
    if facts.per_image:
        lines = [["all classes", *(f"{n:,.1f}" for n in facts.per_image)]]
        tables.append(Table(["boxes of an image", *QUANTILES], lines))
    lines = [[name, *(f"{n:,.1f}" for n in values)] for name, values in facts.sizes.items()]
    tables.append(Table([f"longest side, {facts.unit}", *QUANTILES], lines))
    return [table for table in tables if table.rows]


def _counted(title: str, counts: Mapping[str, int]) -> Table:
    lines = [[reason, f"{n:,}"] for reason, n in counts.items()]
    return Table([title, "images"], lines, is_text=True)
