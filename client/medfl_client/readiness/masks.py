"""What a site's masks hold, for the person who maps their names and for the one who looks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.header import Row
from medfl_client.data.dicom.index import rows
from medfl_client.data.ingest import Collection
from medfl_client.data.masked import Masks
from medfl_client.data.masks.files import find_masks
from medfl_client.data.masks.names import class_of
from medfl_client.data.reader import Reader
from medfl_client.data.reasons import count_reasons, without_figures
from medfl_client.data.selection import Selection
from medfl_common.errors import DataError
from medfl_common.ops.checks import Finding, ok, warn
from medfl_common.plan.plan import Plan
from medfl_common.ui.page import Section, Table

QUANTILES = {"least": 0.0, "a quarter below": 0.25, "median": 0.5, "a quarter above": 0.75,
             "largest": 1.0}  # fmt: skip
UNMAPPED = "nothing yet: write it under data.masks.names"
NO_NAMES = "the index knows no name in the masks: grey values are met in reading, with --plan PLAN"
N_LISTED = 500  # rows of a list of files


@dataclass(frozen=True)
class Named:
    """One name in the masks."""

    name: str  # segment label, ROI name or grey value
    masks: int  # that have it
    meaning: str  # class of the plan, background or ignore; empty: the site file says nothing


@dataclass(frozen=True)
class MaskFacts:
    """What the masks of a site hold."""

    names: list[Named]
    without: dict[str, int]  # reason -> images without a mask
    unused: dict[str, str]  # mask file -> why no image has it
    notes: dict[str, int] = field(default_factory=dict)  # what was passed over -> images
    cases: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # with, without, unknown
    ml: dict[str, list[float]] = field(default_factory=dict)  # class -> QUANTILES where it is


def mask_facts(
    base: Path,
    state: Path,
    data: DataFiles,
    plan: Plan | None,
    reader: Reader,
    database: Path,
    selection: Selection,
    collection: Collection | None,
) -> MaskFacts | None:
    """List names, counts and volumes; without a plan, or where names have no class, names alone.

    None: the site's labels are no masks.
    """
    if data.labels_from != "masks":
        return None
    masks = None if collection is None else collection.masks
    names = _names(base, state, data, plan, reader, rows(database), masks)
    without = {str(i): reason for i, (_, reason) in enumerate(selection.unlabelled)}
    facts = MaskFacts(names, count_reasons(without), selection.unused_masks)
    return facts if collection is None or plan is None else with_content(facts, collection, plan)


def met_facts(collection: Collection, data: DataFiles, plan: Plan) -> MaskFacts:
    """Say what was met in reading the masks of a collection."""
    counts = _met(collection.masks)
    facts = MaskFacts(_named(counts, data, plan), {}, collection.unused_masks)
    return with_content(facts, collection, plan)


def with_content(facts: MaskFacts, collection: Collection, plan: Plan) -> MaskFacts:
    """Add what is in the masks: notes, cases and volumes of each class."""
    masks = collection.masks
    if masks is None:
        return facts
    notes = Counter(kind for own in masks.notes for kind in set(map(_kind, own)))
    known = np.array([sample.targets for sample in collection.samples])
    cases, ml = {}, {}
    for k, name in enumerate(plan.task.foreground):
        n_with, n_none = int((known[:, k] == 1).sum()), int((known[:, k] == 0).sum())
        cases[name] = n_with, n_none, len(known) - n_with - n_none
        found = masks.ml[:, k + 1][masks.ml[:, k + 1] > 0]
        if len(found):
            ml[name] = np.quantile(found, [*QUANTILES.values()]).tolist()
    return replace(facts, notes=dict(notes.most_common()), cases=cases, ml=ml)


def _names(
    base: Path,
    state: Path,
    data: DataFiles,
    plan: Plan | None,
    reader: Reader,
    indexed: Iterable[Row],
    masks: Masks | None,
) -> list[Named]:
    """List the names that the index knows, and those that were met in reading."""
    try:
        files, _ = find_masks(base, state, data, reader, data.masks, None, indexed)
    except DataError:
        return []
    counts = Counter(name for mask in files for name in set(mask.structures))
    return _named(counts | _met(masks), data, plan)  # grey values are met in reading only


def _met(masks: Masks | None) -> Counter[str]:
    return Counter(name for own in ([] if masks is None else masks.names) for name in set(own))


def _kind(note: str) -> str:
    """Give a note without how often it is so, and other figures."""
    return without_figures(note).removeprefix("… ")


def _named(counts: Counter[str], data: DataFiles, plan: Plan | None) -> list[Named]:
    classes = () if plan is None else plan.task.classes
    order = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return [Named(name, n, class_of(name, classes, data.masks) or "") for name, n in order]


def facts_as_json(facts: MaskFacts | None) -> dict[str, object]:
    """Give the facts of masks, but no file name; none where the labels are no masks."""
    if facts is None:
        return {}
    return {"masks": asdict(facts) | {"unused": count_reasons(facts.unused)}}


def check_masks(facts: MaskFacts | None) -> list[Finding]:
    """Judge what a person should look at."""
    if facts is None:
        return []
    findings = [] if facts.names else [ok(NO_NAMES)]
    n_without = sum(facts.without.values())
    if n_without:
        reasons = "; ".join(f"{n} x {reason}" for reason, n in facts.without.items())
        findings.append(warn(f"images without a mask: {n_without:,} ({reasons})", "see the page"))
    if facts.unused:
        reasons = "; ".join(f"{n} x {why}" for why, n in count_reasons(facts.unused).items())
        what = f"masks without an image: {len(facts.unused):,} ({reasons})"
        findings.append(warn(what, "see their list on the page"))
    findings += [
        warn(f"masks where {note}: {n:,}", "medfl-client look shows a case with its outlines")
        for note, n in facts.notes.items()
    ]
    findings += [
        ok(f"no image has {name}") for name, (n, *_) in facts.cases.items() if not n
    ]  # fmt: skip
    return findings


def mask_section(facts: MaskFacts) -> Section:
    """Show names, counts and volumes on the page."""
    tables = mask_tables(facts)
    if facts.unused:
        listed = [[path, why] for path, why in sorted(facts.unused.items())[:N_LISTED]]
        tables.append(Table(["mask without an image", "reason"], listed, is_text=True))
    texts = [] if facts.names else [f"{NO_NAMES[0].upper()}{NO_NAMES[1:]}."]
    return Section("What the masks hold", texts, tables=tables)


def mask_tables(facts: MaskFacts) -> list[Table]:
    """Give names, counts and volumes; no file name."""
    names = [[one.name, f"{one.masks:,}", one.meaning or UNMAPPED] for one in facts.names]
    tables = [
        Table(["name in the masks", "masks", "means"], names[:N_LISTED], is_text=True),
        *_counted("images without a mask, because", facts.without),
        *_counted("masks where", facts.notes),
    ]
    if facts.cases:
        lines = [[name, *(f"{n:,}" for n in counts)] for name, counts in facts.cases.items()]
        tables.append(Table(["class", "images with it", "without", "unknown"], lines))
    if facts.ml:
        lines = [[name, *(f"{ml:,.2f}" for ml in values)] for name, values in facts.ml.items()]
        tables.append(Table(["volume where it is, ml", *QUANTILES], lines))
    return [table for table in tables if table.rows]


def _counted(title: str, counts: Mapping[str, int]) -> list[Table]:
    lines = [[reason, f"{n:,}"] for reason, n in counts.items()]
    return [Table([title, "images"], lines, is_text=True)] if lines else []
