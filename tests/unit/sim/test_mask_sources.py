"""Masks of a researcher's own images: NIfTI beside NIfTI, PNG beside PNG."""

from pathlib import Path

import numpy as np
import pytest
from tests.masks import mask_plan

from medfl_client.config.mask_files import MaskFiles
from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.header import Rules
from medfl_client.data.masked_selection import select_masked
from medfl_client.data.masks.content import Notes
from medfl_client.data.masks.files import MaskFile, kind_of
from medfl_client.data.masks.joined import IS_MASK, join_masks
from medfl_client.data.masks.nifti import read_nifti
from medfl_client.data.masks.work import MaskJob, ReadMask, mask_work
from medfl_client.data.reader import ALL_FRAMES, Reader, Source
from medfl_client.data.sandbox import in_sandbox
from medfl_common.errors import DataError
from medfl_common.plan.images import Images
from medfl_sim.data.sources import SOURCES

CLASSES = ("background", "bright")


def mask_file(folder: Path, name: str) -> MaskFile:
    facts = (folder / name).stat()
    return MaskFile(name, facts.st_size, facts.st_mtime_ns, kind_of(name))


def read(reader: Reader, folder: Path, image: str, mask: str, frame: int, plan: Images) -> ReadMask:
    rows = reader.rows(folder / image, image, Rules(b"k"))
    source = Source(tuple(rows), frame)
    rules = MaskFiles(names={"1": "bright"}, suffix="_mask")
    joined = join_masks([source], [mask_file(folder, mask)], rules, CLASSES)
    work = mask_work(reader, folder, folder, plan, CLASSES, rules)
    ((_, answer),) = in_sandbox(work, [MaskJob(source, joined.masks[0])], n_workers=1)
    assert isinstance(answer, ReadMask), answer
    return answer


def smooth(shape: tuple[int, ...]) -> np.ndarray:
    """Make a volume without steps, different in each direction."""
    x, y, z = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    return (1000 * (0.6 * x + 0.3 * y**2 + 0.1 * z)).astype(np.float32)


@pytest.mark.parametrize("angle", [0.0, 0.3])
@pytest.mark.parametrize("frame", [ALL_FRAMES, 7])
def test_a_nifti_mask_moves_with_its_nifti_image(angle: float, frame: int, tmp_path: Path) -> None:
    import nibabel

    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]])
    affine = np.eye(4)
    affine[:2, :3], affine[:3, 3] = turn, (-20, 31, 5)
    affine = affine @ np.diag([-1.5, 1.2, 3.0, 1])
    volume = smooth((30, 40, 12))
    flip = np.array([[1, 0, 0, 0], [0, -1, 0, 39], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    nibabel.Nifti1Image(volume, affine).to_filename(tmp_path / "a.nii.gz")
    is_bright = (volume > 500).astype(np.uint8)[:, ::-1]  # stored in another direction
    nibabel.Nifti1Image(is_bright, affine @ flip).to_filename(tmp_path / "a_mask.nii.gz")
    values: dict[str, object] = {"modality": ["OT"], "size": 40, "spacing_mm": 1.3}
    if frame == ALL_FRAMES:
        values |= {"sample": "series", "dimensions": 3, "depth": 14, "slice_mm": 2.5}
    window = {"rule": "fixed", "centre": 500.0, "width": 1000.0}
    plan = Images.model_validate({**values, "intensity": window})
    reader = SOURCES.get("nifti")()
    source = Source(tuple(reader.rows(tmp_path / "a.nii.gz", "a.nii.gz", Rules(b"k"))), frame)

    found = read(reader, tmp_path, "a.nii.gz", "a_mask.nii.gz", frame, plan)

    image = reader.image(tmp_path, source, plan)[0]
    is_sure = (image > 0) & (np.abs(image - 0.5) > 0.06)
    assert is_sure.mean() > 0.4
    np.testing.assert_array_equal(found.labels[is_sure], (image > 0.5)[is_sure])
    assert found.notes == ()


def test_image_and_mask_without_a_place_are_one_where_they_have_one_shape(tmp_path: Path) -> None:
    import nibabel

    volume = smooth((10, 12, 8))
    for name, part in (("a", volume), ("a_mask", volume > 500), ("b_mask", volume[:9] > 500)):
        nibabel.Nifti1Image(part.astype(np.int16), None).to_filename(tmp_path / f"{name}.nii.gz")
    reader = SOURCES.get("nifti")()
    row = reader.rows(tmp_path / "a.nii.gz", "a.nii.gz", Rules(b"k"))[0]
    grid = reader.grid(tmp_path, Source((row,), 7))

    (bright,) = read_nifti(tmp_path / "a_mask.nii.gz", grid, Notes())

    stored = (volume > 500)[..., 7].T[::-1, ::-1]  # to the back, to the left
    np.testing.assert_array_equal(bright.draw()[0], stored[:, ::-1])  # nibabel turns x
    with pytest.raises(DataError, match="does not say where it lies"):
        read_nifti(tmp_path / "b_mask.nii.gz", grid, Notes())


def test_a_png_mask_moves_with_its_picture(tmp_path: Path) -> None:
    from PIL import Image

    picture = smooth((60, 90, 2))[..., 0] / 1000 * 255
    Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "a.png")
    Image.fromarray((picture > 127.5).astype(np.uint8)).save(tmp_path / "a_mask.png")
    plan = Images.model_validate({"modality": ["OT"], "size": 48})
    reader = SOURCES.get("pictures")()
    source = Source(tuple(reader.rows(tmp_path / "a.png", "a.png", Rules(b"k"))))

    found = read(reader, tmp_path, "a.png", "a_mask.png", 0, plan)

    image = reader.image(tmp_path, source, plan)[0]
    is_sure = np.abs(image - 0.5) > 0.03
    np.testing.assert_array_equal(found.labels[is_sure], (image > 0.5)[is_sure])


def test_masks_beside_images_of_their_kind_need_no_folder_of_their_own(tmp_path: Path) -> None:
    import nibabel

    for name in ("a", "a_mask"):
        image = nibabel.Nifti1Image(np.ones((8, 8, 8), np.uint8), np.eye(4))
        image.to_filename(tmp_path / f"{name}.nii.gz")
    reader = SOURCES.get("nifti")()
    names = ("a.nii.gz", "a_mask.nii.gz")
    rows = [row for name in names for row in reader.rows(tmp_path / name, name, Rules(b"k"))]
    words = {"suffix": "_mask", "names": {"*": "bright"}}
    data = DataFiles.model_validate({"folder": ".", "labels_from": "masks", "masks": words})
    plan = mask_plan(images={"modality": ["OT"]}, task={"classes": list(CLASSES)})

    found = select_masked(tmp_path, tmp_path / "state", data, plan, reader, None, rows)

    assert {sample.row.path for sample in found.samples} == {"a.nii.gz"}
    assert found.refused == {"a_mask.nii.gz": IS_MASK}
    assert found.unused_masks == {}


def test_an_archive_has_no_masks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no masks for the images of an npz archive"):
        SOURCES.get("npz")().grid(tmp_path, Source(()))
