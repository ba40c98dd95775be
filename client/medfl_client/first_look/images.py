"""What the headers of a folder say, counted; pixels are not looked at."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import get_args

from medfl_client.config.site_file import Join
from medfl_client.data.dicom.header import Row
from medfl_client.data.dicom.kinds import special_kind
from medfl_client.data.dicom.plane import plane_name
from medfl_client.data.labels import keys_of
from medfl_client.data.reasons import file_rows
from medfl_client.first_look.sheet import in_words
from medfl_common.metrics.site_statistics import SIDES, band_name

NO_PATIENT = "PatientID is missing or empty"
HEADER = ["modality", "images", "patients", "series", "longer side", "plane"]


@dataclass
class SeenImages:
    """What is in a folder."""

    by_modality: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[str, str] = field(default_factory=dict)  # file -> why it is left out
    # what the files are called by, for a label file to name them
    keys: dict[Join, set[str]] = field(
        default_factory=lambda: {join: set() for join in get_args(Join)}
    )
    folders: Counter[str] = field(default_factory=Counter)  # images by the first folder's name
    kinds: Counter[str] = field(default_factory=Counter)  # special pictures, such as scouts
    n_burned_in: int = 0  # images that may hold text

    @property
    def n_images(self) -> int:
        """Count the files that can be used."""
        return sum(map(len, self.by_modality.values()))

    @property
    def n_patients(self) -> int:
        """Count the patients that the headers know."""
        return len(self.keys["PatientID"])

    @property
    def n_without_patient(self) -> int:
        """Count the files that say nothing of whom they are of."""
        return sum(reason == NO_PATIENT for reason in self.refused.values())

    def rows(self) -> list[list[str]]:
        """Lay out a line for each modality: counts, sizes, planes."""
        return [_row(name, rows) for name, rows in sorted(self.by_modality.items())]

    def fates(self) -> list[list[str]]:
        """Lay out how many files can be used, and why others are left out."""
        return file_rows(self.n_images, self.refused)


def look(rows: Iterable[Row]) -> SeenImages:
    """Count what an index holds."""
    seen = SeenImages()
    for row in rows:
        if row.reason:
            seen.refused[row.name] = row.reason
            continue
        seen.by_modality[row.modality or "none"].append(row)
        for join in seen.keys:
            seen.keys[join].update(keys_of(row, join))
        if "/" in row.path:
            seen.folders[row.path.split("/")[0]] += 1
        if kind := special_kind(row.image_type)[0]:
            seen.kinds[kind] += 1
        seen.n_burned_in += row.burned_in
    return seen


def _row(modality: str, rows: list[Row]) -> list[str]:
    sides = Counter(band_name(max(row.height, row.width), SIDES, "pixels") for row in rows)
    planes = Counter(plane_name(row.orientation) or "not known" for row in rows)
    return [
        modality,
        f"{len(rows):,}",
        f"{len({row.patient for row in rows}):,}",
        f"{len({row.series for row in rows}):,}",
        in_words(sides),
        in_words(planes),
    ]
