"""Which indexed images take part in a segmentation: those that have masks."""

from collections.abc import Callable, Sequence
from pathlib import Path

from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.header import Row
from medfl_client.data.dicom.index import Progress
from medfl_client.data.labels import refuse_other_labels
from medfl_client.data.masks.files import KINDS, find_masks
from medfl_client.data.masks.joined import IS_MASK, NO_MASK, join_masks
from medfl_client.data.masks.names import refuse_unmapped
from medfl_client.data.reader import Reader, Source
from medfl_client.data.reason_codes import CodedReason
from medfl_client.data.selection import (
    Sample,
    Selection,
    in_order,
    patient_of,
    patients_of,
    sources_of,
)
from medfl_common.metrics.participants import Reason
from medfl_common.plan.plan import Plan

HINT = (
    "medfl-client index shows which image has no mask, and which mask no image; masks are joined "
    "by data.masks in site.yaml"
)
CODES: dict[str, Reason] = {NO_MASK: "no_label", IS_MASK: "other"}  # of the rest: label


def select_masked(
    base: Path,
    state: Path,
    data: DataFiles,
    plan: Plan,
    reader: Reader,
    watch: Callable[[str], Progress] | None,
    rows: Sequence[Row],
) -> Selection:
    """Join the images and masks of a site for a plan; paths are relative to `base`.

    Raises DataError where a mask has a name that the site file does not map: that is for a person
    to decide.
    """
    refuse_other_labels(data, plan)
    masks, refused = find_masks(base, state, data, reader, data.masks, watch, rows)
    is_among = not data.masks.folder  # the masks lie among the images
    own = {mask.path: mask.kind for mask in masks} if is_among else {}
    aside = refused.keys() if is_among else set()
    images = [
        row
        for row in rows
        if row.name not in aside and not _is_only_mask(row, own.get(row.name, ""))
    ]
    sources, reasons = sources_of(images, data, plan, base / data.folder)
    others = _others(images, sources, plan)
    joined = join_masks(sources, masks, data.masks, plan.task.classes, others)
    selection = Selection(refused=reasons, unused_masks=refused | joined.unused, hint=HINT)
    selection.patients |= patients_of(images, data)
    used = {id(mask): mask for found in joined.masks for mask in found}
    refuse_unmapped(used.values(), plan.task.classes, data.masks)
    nothing = (float("nan"),) * len(plan.task.foreground)
    for source, found, reason in zip(sources, joined.masks, joined.reasons, strict=True):
        if reason:
            why = CodedReason(reason, CODES.get(reason, "label"))
            selection.unlabelled.append((source, why))
            selection.refused |= {row.name: why for row in source.rows}
        else:
            patient = patient_of(source.rows[0], data)
            selection.samples.append(Sample(source, nothing, patient, {}, masks=found))
    selection.samples.sort(key=in_order)
    return selection


def _is_only_mask(row: Row, kind: str) -> bool:
    """Say whether a mask file is no image; a NIfTI or PNG file may be either, for some readers."""
    return bool(kind) and (kind in KINDS.values() or bool(row.reason))


def _others(images: Sequence[Row], sources: Sequence[Source], plan: Plan) -> list[Row]:
    """Give the images of the plan's modality in series of which no source is."""
    taken = {row.series or row.name for source in sources for row in source.rows}
    wanted = plan.images.modality
    return [
        row for row in images if row.modality in wanted and (row.series or row.name) not in taken
    ]
