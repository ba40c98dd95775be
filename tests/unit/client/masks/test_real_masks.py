"""Real structure sets and segmentations against masks that other programs made of them."""

import shutil
import subprocess
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import SHARED

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.masks.back import from_plan
from medfl_client.data.masks.content import Mask, Notes
from medfl_client.data.masks.grid import Grid
from medfl_client.data.masks.headers import volume_grid
from medfl_client.data.masks.nifti import read_nifti
from medfl_client.data.masks.nrrd import read_nrrd
from medfl_client.data.masks.segmentation import read_segmentation
from medfl_client.data.masks.structure_set import read_structure_set
from medfl_common.plan.images import Images

RULES = MaskFiles()
# segmentation, its image, and (segment, its program's file, value there)
SEGMENTS = [
    ("liver.dcm", "ct-3slice", [("Liver", "liver_seg.nrrd", "1")]),
    ("partial_overlaps.dcm", "ct-3slice", [
        ("GREEN", "partial_overlaps-1.nrrd", "1"), ("ORANGE", "partial_overlaps-2.nrrd", "2"),
        ("PURPLE", "partial_overlaps-3.nrrd", "3"), ("LIGHT_BLUE", "partial_overlaps-1.nrrd", "4"),
        ("DARK_BLUE", "partial_overlaps-1.nrrd", "5")]),
    ("23x38x3/seg/label.seg", "23x38x3/image", [("Liver", "23x38x3/nrrd/label.nrrd", "1")]),
    ("24x38x3/seg/label.seg", "24x38x3/image", [("Liver", "24x38x3/nrrd/label.nrrd", "1")]),
    ("sparse-labelmap-noppv.dcm", "24x38x3/image", [
        ("Liver", "sparse_labelmap_noppv_seg.nrrd", "1")]),
]  # fmt: skip


def unpacked(name: str, folder: Path) -> Path:
    source = SHARED / "segmentation" / f"{name}.tar.xz"
    if not source.exists():
        pytest.skip(f"no real masks on this machine (../shared/data/segmentation/{name})")
    shutil.unpack_archive(source, folder, filter="data")
    return folder / name


def grid_of(folder: Path) -> Grid:
    return volume_grid(sorted(folder.glob("*")))


def drawn(mask: Mask | None) -> Mask:
    assert mask is not None
    return mask


def test_structure_sets_are_what_another_program_drew(tmp_path: Path) -> None:
    base = unpacked("rtstruct_sts", tmp_path)
    n_voxels = []
    for folder in sorted(base.glob("*/*")):
        grid, notes = grid_of(folder / "dicom/image"), Notes()
        (region,) = read_structure_set(folder / "dicom/mask/RS.dcm", grid, notes)
        (oracle,) = read_nifti(folder / "oracle/mask.nii.gz", grid, notes)
        np.testing.assert_array_equal(region.draw(), oracle.draw())
        assert notes == Counter()
        n_voxels.append(int(drawn(region.draw()).sum()))
    assert n_voxels == [117145, 117145, 5095, 17090, 17090, 555]


@pytest.mark.parametrize(("name", "image", "segments"), SEGMENTS, ids=[s[0] for s in SEGMENTS])
def test_segments_are_what_their_own_program_wrote(
    name: str, image: str, segments: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    base = unpacked("seg_dcmqi", tmp_path)
    grid, notes = grid_of(base / image), Notes()
    found = {s.name: s.draw() for s in read_segmentation(base / name, grid, RULES, notes)}

    for segment, oracle, value in segments:
        values = {s.name: s.draw() for s in read_nrrd(base / oracle, grid, Notes())}
        np.testing.assert_array_equal(found.pop(segment), values[value])
    assert not found
    assert notes == Counter()


def test_a_fractional_segmentation_without_a_dimension_index_is_read(tmp_path: Path) -> None:
    base = unpacked("seg_breast_mr", tmp_path) / "UCSF-BR-06"
    grid, notes = grid_of(base / "image"), Notes()

    (breast,) = read_segmentation(base / "mask/1-1.dcm", grid, RULES, notes)

    assert int(drawn(breast.draw()).sum()) == 82527
    assert notes == Counter()


def test_an_oblique_structure_set_is_what_plastimatch_draws(tmp_path: Path) -> None:
    program = shutil.which("plastimatch")
    if program is None:
        pytest.skip("plastimatch is not on this machine")
    base = unpacked("rtstruct_oblique_sts", tmp_path) / "MR_T2"
    (file,) = (base / "mask").glob("*")
    command = [program, "convert", "--input", str(file), "--referenced-ct", str(base / "image"),
               "--output-prefix", str(tmp_path / "out"), "--prefix-format", "nrrd"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    grid, notes = grid_of(base / "image"), Notes()
    for region in read_structure_set(file, grid, notes):
        (oracle,) = read_nrrd(tmp_path / "out" / f"{region.name}.nrrd", grid, Notes())
        one, other = drawn(region.draw()), drawn(oracle.draw())
        assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.9995


def test_dcmqi_reads_the_same_voxels(tmp_path: Path) -> None:
    found = find_spec("dcmqi")
    if found is None or found.origin is None:
        pytest.skip("dcmqi is not installed (medfl[dev])")
    program = Path(found.origin).parent / "bin" / "segimage2itkimage"
    base = unpacked("seg_dcmqi", tmp_path)
    command = [str(program), "--inputDICOM", str(base / "liver.dcm"), "--outputDirectory",
               str(tmp_path), "--outputType", "nrrd", "--prefix", "own"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    grid = grid_of(base / "ct-3slice")
    (segment,) = read_segmentation(base / "liver.dcm", grid, RULES, Notes())
    (oracle,) = read_nrrd(next(tmp_path.glob("own*.nrrd")), grid, Notes())
    np.testing.assert_array_equal(segment.draw(), oracle.draw())


def test_a_real_region_comes_back_from_the_plans_grid(tmp_path: Path) -> None:
    base = unpacked("rtstruct_sts", tmp_path)
    folder = sorted(base.glob("*/*"))[0] / "dicom"
    grid = grid_of(folder / "image")
    (region,) = read_structure_set(folder / "mask/RS.dcm", grid, Notes())
    native = drawn(region.draw()).astype(np.uint8)
    images = Images.model_validate(
        {"modality": ["CT"], "sample": "series", "dimensions": 3, "size": 256, "depth": 160,
         "spacing_mm": 2.0, "slice_mm": 3.0}
    )  # fmt: skip
    labels = grid.to_plan(native, 2, images)

    found = from_plan(np.stack([labels == 0, labels == 1]).astype(np.float16), grid, images)

    assert 2 * (found & native).sum() / (int(found.sum()) + int(native.sum())) > 0.98
