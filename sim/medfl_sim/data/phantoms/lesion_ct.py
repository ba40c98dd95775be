"""CT of livers with a list of their lesions: where each is in the patient, and its diameter.

The volumes are drawn as those of the kind `organ-ct`; each hospital's list has its own words.
"""

from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from medfl_client.config.folder import SiteFolder
from medfl_common.ui.spreadsheet import CsvWriter
from medfl_sim.data.phantoms import KINDS
from medfl_sim.data.phantoms._boxed import describe_boxes
from medfl_sim.data.phantoms._hospital import (
    POLICY_OF_FEW,
    Origin,
    claim_homes,
    invent_person,
    origins_of,
    save,
)
from medfl_sim.data.phantoms.organ_ct import Scan, rows_of, scan

LIST = "lesions.csv"


@dataclass(frozen=True)
class Habit:
    """How one hospital lists its lesions."""

    join: str  # the tag by which it calls a patient's CT
    columns: tuple[str, ...]  # that of the tag; x, y, z and diameter, mm; that of a word, if any
    word: str = ""  # for a lesion
    lists_all: bool = True  # a CT without a lesion has a line without a place


HABITS = (
    Habit("SeriesInstanceUID", ("series_instance_uid", "x_mm", "y_mm", "z_mm", "diameter_mm")),
    Habit("SeriesInstanceUID", ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"),
          lists_all=False),
    Habit("StudyInstanceUID", ("study", "left", "back", "head", "diameter", "kind"), "metastasis"),
    Habit("PatientID", ("Patient", "X_mm", "Y_mm", "Z_mm", "D_mm", "Befund"), "Herd"),
)  # fmt: skip


@KINDS.register("lesion-ct")
def lesion_ct(folder: Path, n_sites: int, n_samples: int, seed: int) -> list[Path]:
    """Write hospitals of `n_samples` patients each, with one series and a list of lesions.

    Each has `dicom/PATIENT/study-1/1-IMAGE.dcm`, `lesions.csv` and `site.yaml`.
    """
    origins = origins_of("lesion-ct", n_sites, seed)
    homes = claim_homes(folder, origins, n_samples)
    for origin, home in zip(origins, homes, strict=True):
        home.mkdir(parents=True, exist_ok=True)
        habit = HABITS[(origin.site - 1) % len(HABITS)]
        text = describe_boxes(home.name, described(habit), POLICY_OF_FEW)
        SiteFolder(home).site_file.write_text(text, encoding="utf-8")
        write_patients(origin, habit, n_samples, home)
    return homes


def described(habit: Habit) -> dict[str, object]:
    """Say in a site file's words what the list is like."""
    own, *place = habit.columns
    return {
        "file": LIST,
        "join": habit.join,
        "image_column": own,
        **({"class_column": place[4], "names": {habit.word: "lesion"}} if habit.word else {}),
        "position_columns": place[:3],
        "diameter_column": place[3],
        **({} if habit.lists_all else {"unlisted": "none"}),
    }


def write_patients(origin: Origin, habit: Habit, n_samples: int, home: Path) -> None:
    """Write the series, and the list."""
    with (home / LIST).open("w", encoding="utf-8", newline="") as file:
        table = CsvWriter(file)
        table.row(habit.columns)
        for number in range(n_samples):
            case = scan(origin, invent_person(number, origin.rng(0, number), (61, 11)))
            table.rows(lines_of(case, habit))
            for image in case.images:
                save(image, home / "dicom")


def lines_of(case: Scan, habit: Habit) -> list[tuple[str, ...]]:
    """Give the lines of one patient."""
    first: Dataset = case.images[0]
    name, words = str(first[habit.join].value), (habit.word,) if habit.word else ()
    lines = [(name, *place, *words) for _, *place in rows_of(case)]
    if not lines and habit.lists_all:
        lines.append((name, *[""] * (len(habit.columns) - 1)))
    return lines
