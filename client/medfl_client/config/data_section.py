"""The section `data` of a site file, with comments: written anew where a wizard changed it."""

from typing import get_args

import yaml

from medfl_client.config.site_file import DataFiles, Join, SiteFile
from medfl_common.errors import ConfigError
from medfl_common.plan.commented import entry
from medfl_common.plan.settings import Settings, loads

# What stands behind a key; every key of DataFiles, in the order in which they are written.
COMMENTS = {
    "folder": "DICOM files, sub-folders included",
    "labels_from": "csv | folder | tag | file | masks | boxes",
    "masks": "a segmentation's mask files, and what their names mean",
    "boxes": "a detection's list of boxes, and what its names mean",
    "labels": "the first line names the columns",
    "encoding": "of the CSV: utf-8, cp1252, latin-1, utf-16",
    "cell_separator": "what stands between the cells of the CSV",
    "join": "what the join column holds",
    "join_column": "the column that says to what a label belongs",
    "label_column": "the column that holds the label",
    "label_columns": "multilabel: the plan's finding -> its column, where they differ",
    "separator": "multilabel: what stands between findings in one cell",
    "values": "what is written there -> the plan's class, or unknown",
    "position_columns": "candidates: the columns of x, y and z, in mm",
    "label_tag": "the DICOM tag that is the label",
    "patient_column": "the column that says who an image is of",
    "patient_from_study": "without PatientID the study stands for the patient",
    "patient_from_folder": "the first folder says who an image is of",
    "max_damaged": "if more than this part cannot be decoded, nothing is trained",
    "burned_in": "keep | leave out: images that may hold burned-in text",
    "patients": "with privacy.noise: how many it trains on, as a round number",
    "split": "drawn by medfl | given by the column split",
}
OF_CSV = ("labels", "join", "join_column", "label_column")  # shown where labels come from a CSV
KINDS = f"  # {' | '.join(get_args(Join))}"
# What a person may want to set, as a comment where it is not set.
HINTS = {
    "labels_from": "  # labels_from: folder          # without a CSV: the first folder's name; or "
    "tag, with label_tag",
    "burned_in": "  # burned_in: leave out         # images that may hold burned-in text; default: "
    "keep them",
    "values": "  # values:                      # what the CSV writes -> the plan's class, where "
    'they differ\n  #   "1": opacity',
}


def data_section(data: DataFiles) -> str:
    """Write the section: what is set, with comments, and what may be, as a comment."""
    lines, hints = ["data:"], []
    for key, comment in COMMENTS.items():
        value = getattr(data, key)
        if isinstance(value, Settings):
            value = value.model_dump(exclude_defaults=True)
        default = DataFiles.model_fields[key].get_default(call_default_factory=True)
        default = {} if isinstance(default, Settings) else default
        if key == "join" and data.labels_from == "csv":
            lines.append(KINDS)
        if value != default or key == "folder" or (key in OF_CSV and data.labels_from == "csv"):
            lines.append(entry(key, value, comment, indent=2))
        elif key in HINTS:
            hints.append(HINTS[key])
    return "\n".join([*lines, *hints]) + "\n"


def with_data(text: str, data: DataFiles, source: str) -> str:
    """Give a site file's text with another section `data`; all else stays, comments too.

    Raises ConfigError where the text is written in a way that does not let it be put in.
    """
    before = loads(SiteFile, text, source)
    if before.data == data:
        return text
    lines = text.splitlines(keepends=True)
    first, last = _place(text, lines)
    new = "".join(lines[:first]) + data_section(data) + "".join(lines[last:])
    try:
        is_whole = loads(SiteFile, new, source) == before.model_copy(update={"data": data})
    except ConfigError:
        is_whole = False
    if not is_whole:
        raise ConfigError(
            f"{source} is written in a way that medfl cannot change",
            todo=f"put this in place of its section data:\n{data_section(data)}",
            data="the file stays as it is",
        )
    return new


def _place(text: str, lines: list[str]) -> tuple[int, int]:
    """Give the lines of the section: the first, and the first behind it."""
    root = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)  # it was read before
    starts = {key.value: key.start_mark.line for key, _ in root.value}
    first = starts["data"]
    last = min([n for n in starts.values() if n > first], default=len(lines))
    while last > first + 1 and _is_apart(lines[last - 1]):  # what stands above the next key is its
        last -= 1
    return first, last


def _is_apart(line: str) -> bool:
    return not line.strip() or line.startswith("#")
