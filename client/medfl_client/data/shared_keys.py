"""A label that would reach images of several patients: the join is wrong, and training stops."""

from collections import defaultdict
from collections.abc import Sequence

from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.header import Row
from medfl_client.data.labels import Labels
from medfl_common.errors import DataError

# These say which image, or which person, by themselves.
SAFE = ("SOPInstanceUID", "PatientID")


def refuse_shared_keys(used: Sequence[Row], labels: Labels, data: DataFiles) -> None:
    """Raise DataError where a key of the label file labels images of several patients.

    A line with a patient of its own (data.patient_column) says itself whose images it is of.

    Args:
        used: The images that have a label.
        labels: The label file's lines by key.
        data: How images and labels are joined.
    """
    if data.labels_from != "csv" or data.join in SAFE:
        return
    joined: dict[str, list[Row]] = defaultdict(list)
    for row in used:
        key = next((key for key in labels.keys(row) if key in labels.by_key), "")
        if key and row.patient and not _names_its_patient(labels, key, data):
            joined[key].append(row)
    patients = {key: len({row.patient for row in found}) for key, found in joined.items()}
    shared = {key: n for key, n in patients.items() if n > 1}
    if not shared:
        return
    n_images = sum(len(joined[key]) for key in shared)
    worst = max(shared, key=lambda key: shared[key])
    line = labels.by_key[worst][0].line
    is_one = len(shared) == 1
    values = f"1 value of {data.join}" if is_one else f"{len(shared):,} values of {data.join}"
    raise DataError(
        f"{values} in {data.labels} {'finds' if is_one else 'each find'} images of several "
        f"patients, line {line} those of {shared[worst]}: {n_images:,} images would get a label "
        "that may be another patient's",
        todo="correct the numbers in the label file or the images, or join by what belongs to one "
        "patient (data.join: StudyInstanceUID or SOPInstanceUID)",
        data="nothing was trained",
    )


def _names_its_patient(labels: Labels, key: str, data: DataFiles) -> bool:
    return all(row.cells.get(data.patient_column, "") for row in labels.by_key[key])
