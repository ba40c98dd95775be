"""A split that the site gives: by the column `split` of its CSV, or an npz's names of arrays."""

from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.header import Row
from medfl_client.data.labels import SPLIT, LabelRow
from medfl_client.data.parts import Part
from medfl_common.errors import DataError

WORDS: dict[str, Part] = {
    "train": "train", "training": "train",
    "validation": "validation", "val": "validation", "valid": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


def given_part(row: Row, label: LabelRow, data: DataFiles) -> Part:
    """Read which part an image is of; raises DataError for any other word."""
    in_csv = data.labels_from == "csv"
    word = label.cells[SPLIT] if in_csv else row.item.partition("/")[0]
    part = WORDS.get(word.strip().lower())
    if part is None:
        where = f"line {label.line} of {data.labels}" if in_csv else f"an array of {row.path}"
        raise DataError(
            f"{where} says {word!r} of the split",
            todo="write train, validation or test; or split: drawn in site.yaml",
            data="nothing was trained",
        )
    return part
