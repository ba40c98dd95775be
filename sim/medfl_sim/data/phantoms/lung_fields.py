"""Chest radiographs with their lungs outlined, the parts behind the heart included.

The masks are PNG files with the paths of their images; each hospital has its own grey values.
"""

from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from medfl_client.config.folder import SiteFolder
from medfl_sim.data.phantoms import KINDS
from medfl_sim.data.phantoms._hospital import POLICY, claim_homes, origins_of
from medfl_sim.data.radiograph import LOOKS, Shot, describe, draw, draw_chest, embed, invent_shots

LUNGS = ((255, 255), (1, 2), (85, 85))  # grey of the lung at the left of the picture, at the right
SITE_FILE = """\
site: {site:<32}# the hospital's name in logs and reports
data:
  folder: dicom                       # the images; sub-folders are searched too
  labels_from: masks
  masks:
    folder: masks                     # each has the path of its image
    format: png
    names: {names}
"""


@KINDS.register("lung-fields")
def lung_fields(folder: Path, n_sites: int, n_samples: int, seed: int) -> list[Path]:
    """Write hospitals of `n_samples` chest images each, with a mask of the lungs for each.

    Each has `dicom/PATIENT/study-N.dcm`, `masks/PATIENT/study-N.png` and `site.yaml`.
    """
    homes = claim_homes(folder, origins_of("lung-fields", n_sites, seed), n_samples)
    for site, home in enumerate(homes, start=1):
        home.mkdir(parents=True, exist_ok=True)
        greys = LUNGS[(site - 1) % len(LUNGS)]
        names = {str(grey): "lung" for grey in greys}
        written = yaml.safe_dump(names, default_flow_style=True).strip()
        text = SITE_FILE.format(site=home.name, names=written) + POLICY
        SiteFolder(home).site_file.write_text(text, encoding="utf-8")
        for shot in invent_shots(site, n_samples, seed):
            write_shot(home, shot, site, seed, greys)
    return homes


def write_shot(home: Path, shot: Shot, site: int, seed: int, greys: tuple[int, int]) -> None:
    """Write one image, the same as of the kind `chest`, and its mask."""
    from PIL import Image

    look = LOOKS[(site - 1) % len(LOOKS)]
    image = describe(shot, look, site, seed)
    embed(image, draw(shot, look, np.random.default_rng([seed, site, 1, shot.number])), look)
    name = f"{image.PatientID}/study-{shot.follow_up + 1}"
    for kind in ("dicom", "masks"):
        (home / kind / name).parent.mkdir(parents=True, exist_ok=True)
    image.save_as(home / "dicom" / f"{name}.dcm", enforce_file_format=True)
    lungs = outline(shot, look.shape, np.random.default_rng([seed, site, 1, shot.number]))
    left = np.arange(look.shape[1]) < middle_of(lungs)
    mask = np.where(lungs, np.where(left, *greys), 0).astype(np.uint8)
    Image.fromarray(mask).save(home / "masks" / f"{name}.png")


def outline(shot: Shot, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Say where the lungs are: (H, W); `rng` begins as for the image, whose breath is the same."""
    (height, width), half = shape, min(shape) / 2
    y, x = np.mgrid[:height, :width].astype(np.float32)
    _, lungs = draw_chest(shot.patient, ((x - width / 2) / half, (y - height / 2) / half), rng)
    return np.asarray(lungs > 0.5)


def middle_of(lungs: NDArray[np.bool_]) -> int:
    """Give the column between the lungs: that of the least lung, near their centre."""
    columns = lungs.sum(axis=0)
    centre = round(float(np.average(np.arange(len(columns)), weights=columns)))
    return centre - 10 + int(np.argmin(columns[centre - 10 : centre + 11]))
