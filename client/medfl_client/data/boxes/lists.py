"""The list of boxes of a site, whatever its format; and whether it goes with the plan."""

from functools import partial
from pathlib import Path

from medfl_client.config.site_file import DataFiles
from medfl_client.data.boxes.coco import read_coco
from medfl_client.data.boxes.listed import Entry
from medfl_client.data.boxes.names import refuse_unknown_classes
from medfl_client.data.boxes.table import read_table
from medfl_client.data.boxes.voc import read_folder
from medfl_client.data.dicom.header import pseudonym
from medfl_client.data.labels import SECRET
from medfl_common.errors import DataError
from medfl_common.plan.plan import Plan


def read_entries(base: Path, data: DataFiles, secret: bytes) -> dict[str, Entry]:
    """Read what a list says, by what it calls the images; paths are relative to `base`."""
    path = base / data.boxes.file
    if data.boxes.format == "coco":
        return read_coco(path)
    if data.boxes.format == "voc":
        return read_folder(path)
    return read_table(path, data, partial(_key, secret, data.boxes.join))


def _key(secret: bytes, join: str, text: str) -> str:
    return pseudonym(secret, text) if join in SECRET else text


def refuse_other_plan(data: DataFiles, plan: Plan) -> None:
    """Raise DataError where the list cannot be of the plan's images or classes."""
    rules, is_volume = data.boxes, plan.images.dimensions == 3
    refuse_unknown_classes(plan.task.classes, rules)
    if is_volume and not rules.position_columns:
        raise DataError(
            "the plan's images are volumes, and the list of boxes has places in pixels",
            todo="set data.boxes.position_columns and diameter_column in site.yaml, in mm",
        )
    if not is_volume and rules.position_columns:
        raise DataError(
            "the plan's images are 2D, and the list of boxes has places in mm",
            todo="set data.boxes.columns in site.yaml to the four columns of a box, in pixels",
        )
    n_asked = len(rules.classes or plan.task.classes)
    if rules.format == "csv" and not rules.class_column and n_asked > 1:
        raise DataError(
            "the plan has several classes, and data.boxes.class_column is missing in site.yaml",
            todo="name the column that says what is in a box; or, if the list is about one class "
            "only, write this below data.boxes.classes",
        )
