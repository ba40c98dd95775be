"""Chest images with outlined lungs: each mask has its image's pixels, and lies on dark lungs."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from tests.unit.sim.phantom_files import read_bytes

from medfl_client.config.site_file import load_site_file
from medfl_sim.data.phantoms import KINDS


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One hospital for each way to write images."""
    return KINDS.get("lung-fields")(tmp_path_factory.mktemp("lungs"), 5, 6, 3)


def test_each_image_has_a_mask_on_what_is_dark_in_it(homes: list[Path]) -> None:
    from PIL import Image

    for home in homes:
        paths = sorted(home.rglob("*.dcm"))
        assert len(paths) == 6
        for path in paths:
            image = dcmread(path)
            name = path.relative_to(home / "dicom").with_suffix(".png")
            lungs = np.asarray(Image.open(home / "masks" / name)) > 0
            light = image.pixel_array * (-1.0 if image.PresentationLUTShape == "INVERSE" else 1.0)
            height, width = lungs.shape
            between = light[height // 3 : height // 2, width // 2 - 3 : width // 2 + 3]

            assert lungs.shape == light.shape
            assert 0.1 < lungs.mean() < 0.4
            assert np.median(light[lungs]) < np.median(between)


def test_the_site_file_maps_the_grey_values(homes: list[Path]) -> None:
    from PIL import Image

    for home in homes:
        masks = load_site_file(home).data.masks
        greys = set()
        for path in (home / masks.folder).rglob("*.png"):
            greys |= set(np.unique(np.asarray(Image.open(path))).tolist())

        assert {str(grey) for grey in greys - {0}} == set(masks.names)
        assert set(masks.names.values()) == {"lung"}


def test_the_images_are_those_of_the_chest_phantom(homes: list[Path], tmp_path: Path) -> None:
    KINDS.get("chest")(tmp_path, 1, 6, 3)

    assert read_bytes(tmp_path / "site-1" / "dicom") == read_bytes(homes[0] / "dicom")
