"""The site file that medfl writes for a hospital: with comments, for a person to edit."""

from pathlib import Path

from medfl_client.config.data_section import data_section
from medfl_client.config.site_file import DataFiles, SiteFile
from medfl_common.plan.commented import entry
from medfl_common.plan.settings import loads

# Where the data may be; for a person to replace.
EXAMPLE = DataFiles(
    folder="dicom", labels="labels.csv", join_column="sop_instance_uid", label_column="finding"
)

TEMPLATE = """\
# This file belongs to the hospital and never leaves it. Paths are relative to this file.
{name}

{data}
compute:
  device: auto                   # auto | cpu | cuda | cuda:0
  # epochs: 2                    # passes over the images in each round, within the plan's range

policy:                          # what this hospital allows; it beats every plan
  approval: required             # P1: plans wait for medfl-client approve; or none
  models: all                    # P2: or a list: [small_cnn]
  max_rounds: 1000               # P3
  min_images: 20                 # P4: with fewer training images nothing leaves
  min_cell: 10                   # P5: no score leaves if a class has fewer scored images
  metrics: all                   # P6: or a list of train_loss, scores
  share_statistics: true         # P7: counts of the data before training, where a plan asks
  share_subgroups: true          # P8: scores by sex, age band and manufacturer, where a plan asks
  share_features: true           # P19: mean and covariance of features, where a plan asks
  max_message_mb: 1024           # P9: a larger reply is not sent
  max_mb_a_day: 100000           # P10: no more leaves within 24 hours, all studies together
  # max_mb_ever: 1000000         # P18: no more leaves in all the years, all studies together
  hours: any                     # P11: or "20:00-06:00", local time in which tasks are taken up
  protection: none               # P12: or noise, secure_sum, both
  repeats: 3                     # P13: questions beyond the plan's own, from a restored coordinator
  start_weights: exact           # P14: or own, close, unchecked
  min_batch: 1                   # P15: a plan with fewer images in a step is refused
  # model_step: 10               # P16: weights move by so many times the own largest update
  # budget: {{epsilon: 8, delta: 0.00001}}  # P20: of any one patient, all studies, for ever
  at_least: 3                    # P21: hospitals in a secure sum, whatever the plan says
  self_test: tell                # P22: try to read a picture out of an update; or off, stop
  two_persons: false             # P23: data manager and security officer approve, in the console
  networks: built-in             # P24: as data: none but [SHA-256, ...]; or any
  plugins: []                    # P25: code installed here by IT; medfl-client plugins lists it
{role}
"""

SERVER = """
server:
  address: {address}             # the coordinator, host:port
  ca: ca.crt                     # the certificate that it sent
"""


def new_site_file(name: str, data: DataFiles = EXAMPLE, role: str = "train") -> str:
    """Give the text of a new site file; raises ConfigError where an answer is not allowed."""
    what = "P17: or evaluate: nothing is trained here, models are only scored"
    text = TEMPLATE.format(
        name=entry("site", name, "the name that the coordinator sees"),
        data=data_section(data),
        role=entry("role", role, what, indent=2),
    )
    loads(SiteFile, text, source="the new site file (check --name)")
    return text


def write_site_file(path: Path, name: str, data: DataFiles = EXAMPLE, role: str = "train") -> None:
    """Write a new site file; raises ConfigError where an answer is not allowed."""
    text = new_site_file(name, data, role)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def server_part(address: str) -> str:
    """Write the section that names the coordinator."""
    return SERVER.format(address=f'"{address}"' if address.startswith("[") else address)
