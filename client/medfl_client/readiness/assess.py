"""Is this site's data ready for a study? What a hospital should know before it joins.

Everything here is for the hospital's own eyes; only `shareable` may go to a coordinator, where a
plan asks for statistics and the policy allows it.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from medfl_client.config.folder import SiteFolder
from medfl_client.config.site_file import DataFiles, SiteFile
from medfl_client.data.boxed_selection import select_boxed
from medfl_client.data.dataset import SiteData
from medfl_client.data.dicom.index import rows
from medfl_client.data.ingest import Collection, Watch, decode, index_folder
from medfl_client.data.labels import (
    LabelRow,
    Labels,
    count_labels,
    find_label,
    read_csv,
    read_labels,
)
from medfl_client.data.masked_selection import select_masked
from medfl_client.data.masks.files import KINDS
from medfl_client.data.reader import DicomReader, Reader
from medfl_client.data.reasons import count_reasons
from medfl_client.data.selection import Sample, Selection, select
from medfl_client.data.site_data import own_data
from medfl_client.readiness.boxes import BoxFacts, box_facts, boxes_as_json, check_boxes
from medfl_client.readiness.checks import (
    UNLABELLED,
    VERDICTS,
    Verdict,
    check_files,
    judge_decoded,
    verdict,
)
from medfl_client.readiness.flow import flow_to_tell
from medfl_client.readiness.header_counts import count_facts
from medfl_client.readiness.masks import MaskFacts, check_masks, facts_as_json, mask_facts
from medfl_common.errors import DataError
from medfl_common.metrics.participants import Participants, participants_to_json
from medfl_common.metrics.site_statistics import (
    SiteStatistics,
    suppressed,
)
from medfl_common.ops.checks import Finding, fail_for, ok, warn
from medfl_common.plan.plan import Plan, plan_from_values

SURVEY = 200  # images that the survey looks at without a plan


@dataclass(frozen=True)
class Readiness:
    """What medfl knows of a site's data for a plan, or without one."""

    plan: Plan
    is_survey: bool  # without a plan the survey looks at everything
    findings: list[Finding]
    collection: Collection | None  # None: no sample is usable
    data: SiteData | None
    used: list[Sample]  # usable samples, as far as is known
    refused: dict[str, str]  # file -> why it is left out
    n_not_decoded: int  # samples that nobody decoded
    shareable: SiteStatistics | None
    masks: MaskFacts | None = None  # of a site whose labels are masks
    boxes: BoxFacts | None = None  # of a site whose labels are boxes
    flow: Participants | None = None  # what of it the site would tell, if the plan asks
    is_labelled: bool = True  # False: the labels are at fault, and the images are shown without

    @property
    def files(self) -> dict[str, int]:
        """Count used files, and left-out files by reason."""
        return {"used": len({s.row.name for s in self.used}), **count_reasons(self.refused)}

    @property
    def labels(self) -> dict[str, int]:
        """Count samples by class or finding."""
        if not self.is_labelled:
            return {UNLABELLED: len(self.used), "-": 0}
        return count_labels([sample.targets for sample in self.used], self.plan.task)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Count samples by header fact and value."""
        return count_facts([sample.row for sample in self.used])

    @property
    def verdict(self) -> Verdict:
        """Give the worst of the findings."""
        return verdict(self.findings)


def assess(
    folder: Path,
    site: SiteFile,
    plan: Plan | None,
    watch: Watch | None = None,
    limit: int = 0,
    reader: Reader | None = None,
) -> Readiness:
    """Index a site and judge it for a plan, or survey it without one.

    Args:
        folder: The site's directory.
        site: Its site file.
        plan: The study's.
        watch: Follows long work.
        limit: Decode at most so many samples, evenly over all; 0: all.
        reader: What reads the files; DICOM if not given.

    Raises DataError where the data folder cannot be read at all.
    """
    reader, data, state = reader or DicomReader(), site.data, SiteFolder(folder).state
    index = index_folder(folder, state, data, watch, reader)
    findings, is_survey, given = list[Finding](), plan is None, plan
    if plan is None:
        plan, limit = survey_plan(folder, index[0], data), limit or SURVEY
    selection, plan, is_labelled = _select(folder, index, data, plan, findings, watch, reader)
    some = _some(selection, limit)
    collection, shown = _decode(some, folder, site, plan, watch, reader, findings)
    if collection is not None and shown is not None:
        findings += judge_decoded(collection, None if is_survey else shown, plan, site, is_labelled)
    refused, used = (collection or selection).refused, _used(selection, some, collection)
    facts = mask_facts(folder, state, data, given, reader, index[0], selection, collection)
    boxes = box_facts(folder, data, given, index[1], selection, collection)
    told = _shareable(shown, plan, site) if is_labelled or is_survey else None
    findings += check_files(selection, refused, len(used)) + check_masks(facts) + check_boxes(boxes)
    return Readiness(
        plan=plan,
        is_survey=is_survey,
        findings=findings or [ok("no check found a problem")],
        collection=collection,
        data=shown,
        used=used,
        refused=refused,
        n_not_decoded=len(selection.samples) - len(some.samples),
        shareable=told,
        flow=flow_to_tell(shown, told, plan, site),
        masks=facts,
        boxes=boxes,
        is_labelled=is_labelled or is_survey,
    )


def _decode(
    selection: Selection,
    folder: Path,
    site: SiteFile,
    plan: Plan,
    watch: Watch | None,
    reader: Reader,
    findings: list[Finding],
) -> tuple[Collection | None, SiteData | None]:
    """Decode and split what is selected, as far as it can be; add why it cannot."""
    state, collection = SiteFolder(folder).state, None
    try:
        collection = decode(selection, folder, state, site.data, plan, watch, reader)
        return collection, own_data(state, site, collection, plan)
    except DataError as error:
        findings.append(fail_for(error, "see the list of files that are left out"))
        return collection, None


def _shareable(shown: SiteData | None, plan: Plan, site: SiteFile) -> SiteStatistics | None:
    if shown is None or shown.describe is None:
        return None
    return suppressed(shown.describe(), site.policy.min_cell, plan.task)


def as_json(readiness: Readiness, site: str) -> dict[str, object]:
    """Give the facts for a script: counts and findings, no file name and no patient."""
    found, data = readiness.collection, readiness.data
    return {
        "site": site,
        "plan": None if readiness.is_survey else readiness.plan.hash(),
        "verdict": readiness.verdict,
        "findings": [
            {"level": VERDICTS[f.state], "what": f.seen, "advice": f.todo, "who": f.who}
            for f in readiness.findings
        ],
        "files": readiness.files,
        "samples": len(readiness.used),
        "patients": len(set(found.patients)) if found else 0,
        "train": len(data.train) if data else 0,
        "validation": len(data.validation) if data else 0,
        "test": len(data.test) if data else 0,
        "labels": {} if readiness.labels.keys() == {UNLABELLED, "-"} else readiness.labels,
        "counts": readiness.counts,
        **facts_as_json(readiness.masks),
        **boxes_as_json(readiness.boxes),
        "shareable": asdict(readiness.shareable) if readiness.shareable else None,
        **({"flow": participants_to_json(readiness.flow)} if readiness.flow else {}),
    }


def survey_plan(folder: Path, database: Path, data: DataFiles) -> Plan:
    """Make a plan that takes every image, to survey the site."""
    modalities: set[str] = set()
    words: set[str] = set()
    for row in rows(database):
        if not row.reason and row.modality not in KINDS:
            modalities.add(row.modality or "OT")
            if data.labels_from != "csv":
                found = find_label(row, Labels({}, lambda row: []), data)
                words |= {found[1].words[0]} if found else set()
    is_one_each = not (data.separator or data.position_columns)
    if data.labels_from == "csv" and data.label_column and is_one_each:
        try:
            labels = read_csv(folder / data.labels, data, (data.label_column,))
            words = {label.words[0] for (label,) in labels.values()}
        except DataError:
            words = set()  # _select reports it
    classes = sorted(words - {"", "unknown"})
    if not 2 <= len(classes) <= 64:
        classes = [UNLABELLED, "-"]
    return plan_from_values(
        {
            "plan": 1,
            "study": "survey",
            "seed": 0,
            "task": {"type": "multiclass", "classes": [*classes]},
            "images": {"modality": [*sorted(modalities or {"OT"})], "size": 96},
            "model": {"name": "small_cnn"},
            "federation": {"rounds": 1},
        }
    )


def _select(
    folder: Path,
    index: tuple[Path, bytes],
    data: DataFiles,
    plan: Plan,
    findings: list[Finding],
    watch: Watch | None,
    reader: Reader,
) -> tuple[Selection, Plan, bool]:
    """Select with the labels (True); if the labels are at fault, select without them (False).

    Images whose masks or boxes are at fault are shown as without a plan.
    """
    database, secret = index
    if UNLABELLED not in plan.task.classes:
        try:
            if plan.task.has_masks:
                own = SiteFolder(folder).state
                files = [*rows(database)]
                return select_masked(folder, own, data, plan, reader, watch, files), plan, True
            if plan.task.has_boxes:
                return select_boxed(folder, data, plan, rows(database), secret), plan, True
            labels = read_labels(folder, data, plan, secret)
            return select(rows(database), labels, data, plan, folder / data.folder), plan, True
        except DataError as error:
            findings.append(fail_for(error, "correct the labels, then index again"))
    elif data.labels_from == "csv":
        try:
            read_csv(folder / data.labels, data, (data.label_column,) if data.label_column else ())
            what = "there is no plan, and the labels do not say what the classes are"
            findings.append(warn(what, "index again with --plan"))
        except DataError as error:
            findings.append(fail_for(error, "correct the labels, then index again"))
    plan = survey_plan(folder, database, data) if plan.task.is_dense else plan
    every = LabelRow(0, (plan.task.classes[0],) * len(plan.task.classes), {})
    if plan.task.has_several:
        every = LabelRow(0, ("0",) * len(plan.task.classes), {})
    any_label = Labels({"": [every]}, lambda row: [""])
    blind = data.model_copy(update={"labels_from": "csv", "separator": ""})
    return select(rows(database), any_label, blind, plan, folder / data.folder), plan, False


def _used(selection: Selection, some: Selection, collection: Collection | None) -> list[Sample]:
    """List the usable samples as far as is known; single frames or candidates may be unusable."""
    if collection is None:
        return [sample for sample in selection.samples if sample.row.name not in selection.refused]
    decoded = {id(s.source): s for s in collection.samples}  # with what its mask shows
    left_out = {id(s.source) for s in some.samples} - decoded.keys()
    return [
        decoded.get(id(sample.source), sample)
        for sample in selection.samples
        if sample.row.name not in collection.refused and id(sample.source) not in left_out
    ]


def _some(selection: Selection, limit: int) -> Selection:
    """Keep at most `limit` samples, evenly over all."""
    step = max(1, -(-len(selection.samples) // limit)) if limit else 1
    return replace(selection, samples=selection.samples[::step])
