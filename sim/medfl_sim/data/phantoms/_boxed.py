"""The site file of a synthetic hospital whose labels are boxes."""

import yaml

from medfl_sim.data.phantoms._hospital import POLICY

SITE_FILE = """\
site: {site:<32}# the hospital's name in logs and reports
data:
  folder: dicom                       # the images; sub-folders are searched too
  labels_from: boxes
  boxes:
"""


def describe_boxes(site: str, boxes: dict[str, object], policy: str = POLICY) -> str:
    """Write a site file with where the list of boxes is and what its words mean."""
    text = yaml.safe_dump(boxes, sort_keys=False, allow_unicode=True, default_flow_style=None)
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    return SITE_FILE.format(site=site) + indented + policy
