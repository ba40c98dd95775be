"""`medfl-client init`: write a commented site file and an identity, and name the next step."""

import shutil
from pathlib import Path

from medfl_client.config.folder import PUBLIC, SiteFolder
from medfl_client.config.identity import create_identity, replace_identity
from medfl_client.config.site_file import SiteFile, load_site_file
from medfl_client.connection.study_key import in_words
from medfl_client.connection.supervisor import Tell
from medfl_common.errors import ConfigError
from medfl_common.plan.settings import loads
from medfl_common.wire.keys import fingerprint

TEMPLATE = """\
# This file belongs to the hospital and never leaves it. Paths are relative to this file.
site: {name}                      # the name that the coordinator sees

data:
  folder: dicom                  # DICOM files, sub-folders included
  labels: labels.csv             # UTF-8, the first line names the columns
  # SOPInstanceUID | SeriesInstanceUID | StudyInstanceUID | PatientID | AccessionNumber | path
  join: SOPInstanceUID
  join_column: sop_instance_uid  # the column that says to what a label belongs
  label_column: finding          # the column that holds the label
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
  max_message_mb: 1024           # P9: a larger reply is not sent
  max_mb_a_day: 100000           # P10: no more leaves within 24 hours
  hours: any                     # P11: or "20:00-06:00", local time in which tasks are taken up
  protection: none               # P12: or differential_privacy, secure_aggregation
  repeats: 3                     # P13: questions beyond the plan's own, from a restored coordinator
  start_weights: exact           # P14: or own, close, unchecked
  min_batch: 1                   # P15: a plan with fewer images in a step is refused
  # model_step: 10               # P16: weights move by so many times the own largest update
"""

SERVER = """
server:
  address: {address}             # the coordinator, host:port
  ca: ca.crt                     # the certificate that it sent
"""


def set_up(folder: Path, name: str, server: str, ca: Path | None, tell: Tell) -> None:
    """Write what is missing in a site's directory; keep every file that exists."""
    path = SiteFolder(folder).site_file
    if not path.exists():
        text = TEMPLATE.format(name=name or "my-hospital")
        loads(SiteFile, text, source="the new site file (check --name)")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        tell(f"wrote {path}; open it and set the data section")
    site = load_site_file(folder)
    if name and name != site.site:
        raise ConfigError(f"{path} says site: {site.site}, --name says {name}", todo="change one")
    _set_server(path, site, server)
    if ca is not None:
        if not ca.exists():
            raise ConfigError(
                f"there is no file {ca.resolve()}", todo="name the ca.crt that the coordinator sent"
            )
        shutil.copyfile(ca, SiteFolder(folder).ca)
        tell(f"study key: {in_words(SiteFolder(folder).ca, SiteFolder(folder).state)}")
    _show_identity(folder, create_identity(folder, site.site), tell)
    tell(
        f"next: medfl-client check {folder} --plan PLAN, then medfl-client approve {folder} "
        f"PLAN, then medfl-client run {folder}"
    )


def renew_keys(folder: Path, tell: Tell) -> None:
    """Make new keys for a site, and say who needs them; the old keys stay under another name."""
    site = load_site_file(folder)
    _show_identity(folder, replace_identity(folder, site.site), tell)
    tell(
        f"the coordinator runs `medfl-server enrol DIR {site.site} identity.pub --replace`; until "
        "then it refuses this site"
    )


def _show_identity(folder: Path, lines: list[str], tell: Tell) -> None:
    tell(f"send {folder / PUBLIC} to the coordinator. It holds these lines:")
    for line in lines:
        tell(line)
    tell(f"their fingerprint, to compare by telephone: {fingerprint(lines)}")


def _set_server(path: Path, site: SiteFile, server: str) -> None:
    if not server:
        return
    if site.server is None:
        text = path.read_text() + SERVER.format(
            address=f'"{server}"' if server.startswith("[") else server
        )
        loads(SiteFile, text, source=f"{path} with --server {server}")
        path.write_text(text)
    elif site.server.address != server:
        raise ConfigError(
            f"{path} names the server {site.server.address}, --server says {server}",
            todo="edit the file",
        )
