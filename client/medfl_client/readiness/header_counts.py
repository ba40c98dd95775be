"""What the headers of a site's samples say, counted."""

from collections import Counter
from collections.abc import Callable

from medfl_client.data.dicom.header import Row
from medfl_common.metrics.site_statistics import AGES, SPACINGS, band_name


def count_facts(used: list[Row]) -> dict[str, dict[str, int]]:
    """Count samples by header facts, most frequent first."""
    facts: dict[str, Callable[[Row], str]] = {
        "modality": lambda row: row.modality,
        "view": lambda row: row.view,
        "laterality": lambda row: row.laterality,
        "body part": lambda row: row.body_part,
        "manufacturer": lambda row: row.manufacturer,
        "model": lambda row: row.model,
        "year": lambda row: str(row.year or ""),
        "sex": lambda row: row.sex,
        "age, years": lambda row: band_name(row.age, AGES, ""),
        "size, rows x columns": lambda row: f"{row.height} x {row.width}",
        "between pixels": lambda row: band_name(row.spacing_mm, SPACINGS, "mm"),
        "photometric interpretation": lambda row: row.photometric,
        "bits stored": lambda row: str(row.bits or ""),
        "frames": lambda row: str(row.frames),
    }
    counted = {name: Counter(of(row) or "not known" for row in used) for name, of in facts.items()}
    return {name: dict(counter.most_common()) for name, counter in counted.items()}
