"""Images, archives and NIfTI go the way of DICOM: same index, same cache, same numbers."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from tests.conftest import SHARED, MakePlan
from tests.unit.client.test_series import AXIAL, geometry, volume_plan, write_slice

from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.header import Rules
from medfl_client.data.dicom.series import read_volume
from medfl_client.data.ingest import Collection, collect
from medfl_client.data.reader import ALL_FRAMES, Source, read_pixels
from medfl_client.data.reasons import count_reasons
from medfl_common.plan.plan import load_plan
from medfl_sim.data.sources import SOURCES

RULES = Rules(b"k")


def read(folder: Path, kind: str, data: DataFiles, plan: Path) -> Collection:
    return collect(folder, folder / "state", data, load_plan(plan), reader=SOURCES.get(kind)())


def test_pictures_keep_their_greys_and_folders_are_classes(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    ramp = np.arange(24 * 24, dtype=np.uint16).reshape(24, 24)
    eight = (ramp // 3).astype(np.uint8)
    for name, array in (
        ("normal/8.png", eight),
        ("normal/colour.png", np.stack([eight, eight, eight * 0], axis=2)),
        ("opacity/16.png", ramp * 100),
    ):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(tmp_path / "images" / name)
    (tmp_path / "images" / "normal" / "notes.txt").write_text("no image")
    data = DataFiles(folder="images", labels_from="folder")

    found = read(tmp_path, "pictures", data, make_plan(images={"modality": ["OT"]}))

    pixels = {s.row.path: found.pixels[r] for s, r in zip(found.samples, found.rows, strict=True)}
    assert [s.label for s in found.samples] == [0, 0, 1]
    assert count_reasons(found.refused) == {"no PNG or JPEG image": 1}
    assert np.array_equal(pixels["normal/8.png"][0], eight)
    own_range = np.rint((ramp * 100.0 - 0) / 57_500 * 255)  # the file's highest value is white
    assert np.abs(pixels["opacity/16.png"][0] - own_range).max() <= 1
    luminance = np.rint(eight * (0.299 + 0.587))
    assert np.abs(pixels["normal/colour.png"][0] - luminance).max() <= 1


def test_sixteen_bits_that_hold_twelve_keep_their_greys_and_an_archive_says_whose_images_are(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    """4,096 values become 256 greys, not 16; images of one archive share black and white."""
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    (tmp_path / "images" / "normal").mkdir(parents=True)
    Image.fromarray(ramp).save(tmp_path / "images" / "normal" / "a.png")
    (tmp_path / "data").mkdir()
    labels = np.array([[0], [1], [0]])
    np.savez(
        tmp_path / "data" / "a.npz",
        images=np.stack([ramp, ramp // 2, ramp // 4]), labels=labels,
        patients=np.array(["a", "b", "a"]),
    )  # fmt: skip
    plan = make_plan(images={"modality": ["OT"], "size": 64})
    files = DataFiles(folder="data", labels_from="file", values={"0": "normal", "1": "opacity"})

    png = read(tmp_path, "pictures", DataFiles(folder="images", labels_from="folder"), plan)
    npz = read(tmp_path, "npz", files, plan)

    assert len(np.unique(png.pixels[png.rows[0]])) == 256
    highest = [int(npz.pixels[row].max()) for row in npz.rows]
    assert highest == pytest.approx([255, 127, 64], abs=1)
    assert len(set(npz.patients)) == 2
    one = {"images": ramp[None]}
    np.savez(tmp_path / "data" / "b.npz", **one, patients=np.zeros(1))
    np.savez(tmp_path / "data" / "c.npz", **one, patients=np.array([{}], dtype=object))
    np.savez(tmp_path / "data" / "d.npz", **one, labels=np.zeros((2, 1)))
    np.savez(tmp_path / "data" / "e.npz", images=ramp[None][:0])
    again = read(tmp_path, "npz", files, plan)
    assert again.refused == {
        "b.npz": "patients is float64 (1,); not one per image",
        "c.npz": "patients holds Python objects, which medfl does not read",
        "d.npz": "labels is float64 (2, 1); not one per image",
        "e.npz": "images has no images",
    }


def test_a_csv_column_says_whose_a_picture_is(tmp_path: Path, make_plan: MakePlan) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    lines = ["file,who,finding"]
    for i in range(6):
        Image.fromarray(rng.integers(0, 255, (30, 20), np.uint8)).save(
            tmp_path / "images" / f"{i}.png"
        )
        lines.append(f"{i}.png,{'a' if i % 2 else ' A'},{i % 2}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    data = DataFiles(
        folder="images", labels="labels.csv", join="path", join_column="file",
        label_column="finding", patient_column="who", values={"0": "normal", "1": "opacity"},
    )  # fmt: skip

    found = read(tmp_path, "pictures", data, make_plan(images={"modality": ["OT"]}))

    assert len(found.samples) == 6
    assert len(set(found.patients)) == 1


def test_an_archive_of_medmnists_form_is_a_row_for_each_picture(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    rng = np.random.default_rng(0)
    train, validation = (rng.integers(0, 256, (n, 24, 24), np.uint8) for n in (9, 4))
    labels = np.array([[0], [1]] * 5, dtype=np.uint8)
    (tmp_path / "data").mkdir()
    np.savez_compressed(
        tmp_path / "data" / "mnist.npz",
        train_images=train, train_labels=labels[:9], val_images=validation, val_labels=labels[:4],
    )  # fmt: skip
    data = DataFiles(folder="data", labels_from="file", values={"0": "normal", "1": "opacity"})
    plan = make_plan(images={"modality": ["OT"], "size": 24})

    found = read(tmp_path, "npz", data, plan)

    assert [s.row.item for s in found.samples[:2]] == ["train/000000", "train/000001"]
    assert [s.label for s in found.samples] == [i % 2 for i in range(9)] + [0, 1, 0, 1]
    assert np.array_equal(found.pixels[found.rows][:, 0], np.concatenate([train, validation]))
    again = read(tmp_path, "npz", data, plan)
    assert np.array_equal(found.rows, again.rows)


def test_breastmnist_is_read_as_it_is(tmp_path: Path, make_plan: MakePlan) -> None:
    if not (SHARED / "medmnist").exists():
        pytest.skip("no MedMNIST files on this machine (../shared/data/medmnist)")
    source = SHARED / "medmnist" / "breastmnist_trainval.npz"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "breast.npz").symlink_to(source)
    data = DataFiles(folder="data", labels_from="file", values={"0": "opacity", "1": "normal"})
    plan = make_plan(images={"modality": ["OT"], "size": 28})
    assert read_error(tmp_path, data, plan) == "a link; links are not followed"
    (tmp_path / "data" / "breast.npz").unlink()
    (tmp_path / "data" / "breast.npz").write_bytes(source.read_bytes())

    found = read(tmp_path, "npz", data, plan)

    assert len(found.samples) + len(found.refused) == 546 + 78
    with np.load(source) as arrays:
        assert np.array_equal(found.pixels[found.rows[0], 0], arrays["train_images"][0])


def read_error(folder: Path, data: DataFiles, plan: Path) -> str:
    with pytest.raises(Exception, match="no image") as caught:
        read(folder, "npz", data, plan)
    return str(caught.value).split("1 x ")[1].split(")")[0]


def test_a_nifti_volume_is_the_series_that_it_was_made_of(tmp_path: Path) -> None:
    heights = [float(z) for z in range(-20, 25, 5)]
    series = [write_slice(tmp_path / f"{z}.dcm", z) for z in heights]
    left_back_head = np.stack([geometry(z, AXIAL)[0] for z in heights]).transpose(2, 1, 0)
    affine = np.diag([-1.0, -1.0, 5.0, 1.0])  # axes to left and back: minus in NIfTI's world
    nibabel.Nifti1Image(left_back_head.astype(np.float32), affine).to_filename(
        tmp_path / "body.nii.gz"
    )
    reader = SOURCES.get("nifti")()
    (row,) = reader.rows(tmp_path / "body.nii.gz", "body.nii.gz", RULES)

    for plan in (volume_plan(), volume_plan(spacing_mm=1.5, slice_mm=4.0)):
        volume = read_pixels(reader, tmp_path, plan, Source((row,), ALL_FRAMES))
        expected = np.rint(read_volume(series, plan) * 255)
        assert np.abs(volume.astype(int) - expected).max() <= 1
    assert (row.frames, row.height, row.width, row.slice_mm) == (9, 16, 16, 5.0)
