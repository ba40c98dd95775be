"""What a readiness page is about: when, for which plan, and how one image got its label."""

import time

from medfl_client.config.site_file import DataFiles
from medfl_client.data.selection import NO_LABEL
from medfl_client.readiness.assess import Readiness
from medfl_common import __version__
from medfl_common.ui.page import Section, Table


def about_section(readiness: Readiness, data: DataFiles) -> Section:
    """List what the page is about, with an example of a joined image and of one without label."""
    plan = readiness.plan
    which = f"{plan.study}, SHA-256 {plan.hash()}"
    rows = [
        ["written", time.strftime("%Y-%m-%d %H:%M %z")],
        ["plan", "none: a survey of every image" if readiness.is_survey else which],
        ["data.folder", data.folder],
        ["labels", _labels(data)],
        ["an image with its label", _joined(readiness, data)],
        ["an image without a label", _not_joined(readiness)],
        ["medfl", __version__],
    ]
    return Section("What this page is about", tables=[Table(["fact", "value"], rows, is_text=True)])


def _labels(data: DataFiles) -> str:
    if data.labels_from == "boxes":
        return f"{data.boxes.file}: boxes"
    if data.labels_from != "csv":
        named = {"folder": "the name of the first folder", "tag": f"the DICOM tag {data.label_tag}"}
        return named.get(data.labels_from, "the image's own file")
    return f"{data.labels}: its column {data.join_column} holds each image's {data.join}"


def _joined(readiness: Readiness, data: DataFiles) -> str:
    if not readiness.used or readiness.collection is None:
        return "none"
    sample = readiness.used[0]
    key, label = sample.cells.get(data.join_column, ""), sample.cells.get(data.label_column, "")
    if not key:
        said = sample.cells.get("label", "")
        return f"{sample.row.name}: {said}" if said else "none: the labels were not read"
    called = f", {data.label_column} {label!r}" if data.label_column else ""
    return f"{sample.row.name} has the line with {data.join_column} {key!r}{called}"


def _not_joined(readiness: Readiness) -> str:
    names = [name for name, reason in sorted(readiness.refused.items()) if reason == NO_LABEL]
    return f"{names[0]} ({len(names):,} such files)" if names else "none"
