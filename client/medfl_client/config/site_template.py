"""The site file that medfl writes for a hospital: with comments, for a person to edit."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from medfl_client.config.site_file import Join, SiteFile
from medfl_common.plan.settings import loads

COMMENTS = 33  # the column in which comments begin
# Words that YAML reads as something else than text.
TRAPS = {"yes", "no", "on", "off", "y", "n", "true", "false", "null", "~"}

TEMPLATE = """\
# This file belongs to the hospital and never leaves it. Paths are relative to this file.
site: {name}# the name that the coordinator sees

data:
  folder: {folder}# DICOM files, sub-folders included
  labels: {labels}# UTF-8, the first line names the columns
  # SOPInstanceUID | SeriesInstanceUID | StudyInstanceUID | PatientID | AccessionNumber | path
  join: {join}
  join_column: {join_column}# the column that says to what a label belongs
  label_column: {label_column}# the column that holds the label
  # labels_from: folder          # without a CSV: the first folder's name; or tag, with label_tag
  # burned_in: leave out         # images that may hold burned-in text; default: keep them
  # values:                      # what the CSV writes -> the plan's class, where they differ
  #   "1": opacity

compute:
  device: auto                   # auto | cpu | cuda | cuda:0

policy:                          # what this hospital allows; it beats every plan
  approval: required             # P1: plans wait for medfl-client approve; or none
  models: all                    # P2: or a list: [small_cnn]
  max_rounds: 1000               # P3
  min_images: 20                 # P4: with fewer training images nothing leaves
  min_cell: 10                   # P5: no score leaves if a class has fewer scored images
  metrics: all                   # P6: or a list of train_loss, scores
  share_statistics: true         # P7: counts of the data before training, where a plan asks
  share_subgroups: true          # P8: scores by sex, age band and manufacturer, where a plan asks
  share_features: true           # P18: mean and covariance of features, where a plan asks
  max_message_mb: 1024           # P9: a larger reply is not sent
  max_mb_a_day: 100000           # P10: no more leaves within 24 hours
  hours: any                     # P11: or "20:00-06:00", local time in which tasks are taken up
  protection: none               # P12: or differential_privacy, secure_aggregation
  repeats: 3                     # P13: questions beyond the plan's own, from a restored coordinator
  start_weights: exact           # P14: or own, close, unchecked
  min_batch: 1                   # P15: a plan with fewer images in a step is refused
  # model_step: 10               # P16: weights move by so many times the own largest update
  {role}# P17: or evaluate: nothing is trained here, models are only scored
"""

SERVER = """
server:
  address: {address}             # the coordinator, host:port
  ca: ca.crt                     # the certificate that it sent
"""


@dataclass(frozen=True)
class DataAnswers:
    """Where the data are; the defaults are examples, for a person to replace."""

    folder: str = "dicom"
    labels: str = "labels.csv"
    join: Join = "SOPInstanceUID"
    join_column: str = "sop_instance_uid"
    label_column: str = "finding"
    cell_separator: str = ","


def write_site_file(
    path: Path, name: str, data: DataAnswers = DataAnswers(), role: str = "train"
) -> None:
    """Write a new site file; raises ConfigError where an answer is not allowed."""
    text = TEMPLATE.format(
        name=_cell("site: ", name),
        folder=_cell("  folder: ", data.folder),
        labels=_cell("  labels: ", data.labels),
        join=data.join,
        join_column=_cell("  join_column: ", data.join_column),
        label_column=_cell("  label_column: ", data.label_column),
        role="role: " + _cell("  role: ", role),
    )
    if data.cell_separator != ",":
        line = f"  cell_separator: {json.dumps(data.cell_separator)}\n"
        text = text.replace("  join: ", f"{line}  join: ", 1)
    loads(SiteFile, text, source="the new site file (check --name)")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def server_part(address: str) -> str:
    """Write the section that names the coordinator."""
    return SERVER.format(address=f'"{address}"' if address.startswith("[") else address)


def _cell(key: str, value: str) -> str:
    """Write a value so that YAML reads the same text, and pad it to the column of comments."""
    plain = re.fullmatch(r"[A-Za-z_/][A-Za-z0-9_/.-]*", value) is not None
    text = value if plain and value.lower() not in TRAPS else json.dumps(value, ensure_ascii=False)
    return text.ljust(COMMENTS - len(key) - 1) + " "
