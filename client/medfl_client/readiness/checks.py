"""Check a site's data before it joins, and give a verdict: pass, warn or block."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import compress
from typing import Literal

from medfl_client.config.site_file import DataFiles, Policy, SiteFile
from medfl_client.data.dataset import Examples, SiteData
from medfl_client.data.dicom.notes import sentence
from medfl_client.data.dicom.plane import plane_name
from medfl_client.data.duplicates import DIFFERENT_IN_TWINS
from medfl_client.data.ingest import Collection
from medfl_client.data.parts import Part
from medfl_client.data.selection import COPY, DIFFERENT_IN_SERIES, NO_LABEL, Selection
from medfl_client.data.split import NO_TEST
from medfl_common.ops.checks import Finding, State, fail, ok, warn, worst
from medfl_common.plan.plan import Plan

MANY = 0.1  # part of the images from which a fault deserves a warning
Verdict = Literal["pass", "warn", "block"]
VERDICTS: dict[State, Verdict] = {
    "ok": "pass",
    "not checked": "pass",
    "warn": "warn",
    "fail": "block",
}
UNLABELLED = "unlabelled"  # the class of every sample, if a survey finds no labels


def verdict(findings: Sequence[Finding]) -> Verdict:
    """Give the worst of the findings, in the words of a readiness page."""
    return VERDICTS[worst(findings)]


def mixed_patients(collection: Collection) -> list[list[str]]:
    """List, for each patient with samples of several classes, the files of that patient."""
    names: dict[str, list[str]] = defaultdict(list)
    classes: dict[str, set[int]] = defaultdict(set)
    for patient, sample in zip(collection.patients, collection.samples, strict=True):
        names[patient].append(sample.row.name)
        classes[patient].add(sample.label)
    return [
        [*dict.fromkeys(names[patient])] for patient, found in classes.items() if len(found) > 1
    ]


def check_files(selection: Selection, refused: dict[str, str], n_used: int) -> list[Finding]:
    """Judge whether files and label file match."""
    findings = []
    unlabelled = sum(reason == NO_LABEL for reason in refused.values())
    if unlabelled > MANY * (unlabelled + n_used):
        findings.append(
            warn(
                f"images without a label: {unlabelled:,}",
                selection.hint or "is the join column the right one?",
            )
        )
    if selection.n_labels_unused and not selection.unused_boxes:  # check_boxes tells these
        findings.append(
            warn(
                f"lines of the label file without an image: {selection.n_labels_unused:,}",
                "did the export leave images out?",
            )
        )
    return findings


def judge_decoded(
    collection: Collection, shown: SiteData | None, plan: Plan, site: SiteFile, is_labelled: bool
) -> list[Finding]:
    """Judge what was decoded; None for `shown`: a survey, which no policy concerns."""
    findings = check_samples(collection, plan, is_labelled) + check_damage(collection, site.data)
    return findings + ([] if shown is None else check_policy(shown, plan, site.policy, collection))


def check_samples(collection: Collection, plan: Plan, is_labelled: bool) -> list[Finding]:
    """Judge the samples that were decoded: copies, persons, burned-in text, classes."""
    findings = [
        Finding("", state, f"{what}: {count:,}", advice, "you" if state == "warn" else "")
        for count, state, what, advice in _counted(collection)
        if count
    ]
    findings += _check_planes(collection, plan)
    present = {sample.label for sample in collection.samples}
    if is_labelled and not plan.task.has_several and len(present) < 2:
        n = len(collection.samples)
        findings.append(warn(f"all {n} samples are of one class; the AUC is undefined", "", ""))
    return findings


def _check_planes(collection: Collection, plan: Plan) -> list[Finding]:
    """Say where series of several planes are taken for one kind."""
    rows = [sample.row for sample in collection.samples]
    series = {(row.series or row.name, plane_name(row.orientation)) for row in rows}
    counts = Counter(plane for _, plane in series if plane)
    if plan.images.plane != "any" or len(counts) < 2:
        return []
    seen = ", ".join(f"{n:,} {plane}" for plane, n in counts.most_common())
    return [
        warn(
            f"this folder holds {seen} series; the plan takes any",
            "ask the coordinator whether images.plane should name one",
        )
    ]


def _counted(collection: Collection) -> list[tuple[int, State, str, str]]:
    """Count what may be wrong with the samples: (count, state, what, advice)."""
    burned = sum(sample.row.burned_in for sample in collection.samples)
    reasons = [*collection.refused.values()]
    conflicts = reasons.count(DIFFERENT_IN_SERIES) + reasons.count(DIFFERENT_IN_TWINS)
    return [
        *_doubles(collection),
        (
            sum(collection.refused_parts.values()),
            "ok",
            f"frames or candidates left out of used files ({', '.join(collection.refused_parts)})",
            "",
        ),
        (
            conflicts,
            "warn",
            "files left out because equal images, or one series, have different labels",
            "correct the labels",
        ),
        (
            burned,
            "warn",
            "images that may have text in them (BurnedInAnnotation, screen copy, ultrasound)",
            "look at the images on the page; data.burned_in: leave out, to be sure",
        ),
        (
            len(mixed_patients(collection)),
            "ok",
            "patients with samples of several classes",
            "they stay together in the split",
        ),
        *_noted(collection),
    ]


def _doubles(collection: Collection) -> list[tuple[int, State, str, str]]:
    """Count images that are there twice, and patients that share one."""
    n_copies = list(collection.refused.values()).count(COPY)
    n_twins = sum(collection.refused.get(name) != COPY for name in collection.twins)
    return [
        (
            n_copies,
            "ok",
            "copies of a file",
            "medfl uses one of each",
        ),
        (
            n_twins,
            "warn",
            "duplicate images",
            "medfl uses one of each; see the list of equal images",
        ),
        (
            collection.n_joined_patients,
            "warn",
            "patient numbers that share an image with another (one person under two numbers?)",
            "medfl keeps them on one side of the split; ask who exported the data",
        ),
        (
            collection.n_impersonal,
            "warn",
            "images that several patients share and that identify nobody (test or empty images)",
            "they join no patients; leave them out of the export",
        ),
    ]


def _noted(collection: Collection) -> list[tuple[int, State, str, str]]:
    """Count the samples with a header that may not say what is meant, by note."""
    notes = Counter(
        note
        for sample in collection.samples
        for note in {note for row in sample.source.rows for note in row.notes.split()}
    )
    return [(n, "warn", *sentence(note)) for note, n in sorted(notes.items())]


def check_damage(collection: Collection, data: DataFiles) -> list[Finding]:
    """Judge how many images medfl cannot decode."""
    n = collection.n_damaged
    if not n:
        return []
    is_many = n > data.max_damaged * (n + len(collection.samples))
    what = f"images that cannot be decoded: {n:,}"
    if is_many:
        what += f", more than data.max_damaged ({data.max_damaged:g}) allows"
    return [(fail if is_many else warn)(what, "export them again, or leave them out")]


def check_policy(
    shown: SiteData, plan: Plan, policy: Policy, collection: Collection
) -> list[Finding]:
    """Judge whether the site's own policy would release anything."""
    findings = []
    if policy.role == "evaluate":
        return _check_cells("test", shown.test, plan, policy) + _check_needs(plan, collection)
    if len(shown.train) < policy.min_images:
        findings.append(
            fail(
                f"images to train on: {len(shown.train)}, policy.min_images is {policy.min_images}",
                "the guard would send nothing; add images",
            )
        )
    findings += _check_cells("validation", shown.validation, plan, policy)
    if len(shown.test):
        findings += _check_cells("test", shown.test, plan, policy)
    elif plan.evaluation.test:
        findings.append(ok(NO_TEST))
    return findings + _check_needs(plan, collection)


def _check_cells(part: Part, images: Examples, plan: Plan, policy: Policy) -> list[Finding]:
    """Say where a part's scores, or of masks or boxes those of a class, would be withheld."""
    targets = images.targets
    cells = [[int((own == value).sum()) for value in (0, 1)] for own in targets.T]
    small = [any(0 < cell < policy.min_cell for cell in own) for own in cells]
    if len(images) and not any(small):
        return []
    own = small[-len(plan.task.foreground) :]
    if plan.task.is_dense and len(images) >= policy.min_cell and not all(own):
        names = [*compress(plan.task.classes, small)]
        what = (
            f"fewer than policy.min_cell ({policy.min_cell}) of {len(images)} {part} images are "
            f"with, or without: {', '.join(names)}"
        )
        return [warn(what, f"the guard takes that out of the site's {part} scores")]
    what = (
        f"among {len(images)} {part} images a class has fewer than policy.min_cell "
        f"({policy.min_cell})"
    )
    return [warn(what, f"the site trains, and the guard withholds its {part} scores")]


def _check_needs(plan: Plan, collection: Collection) -> list[Finding]:
    """Say what the plan needs and the site lacks."""
    findings = []
    rows = [sample.row for sample in collection.samples]
    absent = sorted(set(plan.images.modality) - {row.modality for row in rows})
    if absent:
        what = f"modalities of the plan that this site has no sample of: {', '.join(absent)}"
        findings.append(ok(what))
    n_small = sum(max(row.height, row.width) < plan.images.size for row in rows)
    if n_small > MANY * len(rows):
        what = f"images smaller than the plan's {plan.images.size} pixels: {n_small:,}"
        findings.append(warn(what, "medfl enlarges them; did the export shrink the images?"))
    return findings
