"""`predict` writes outlines where they harm nothing that the hospital has."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from pydicom import dcmread
from tests.unit.client.masks.outlined_site import small_plan, write_model, write_site

from medfl_client.commands import predict_masks
from medfl_client.commands.predict import predict
from medfl_client.config.outline_folder import OutlineFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.data.ingest import collect
from medfl_client.data.masks.files import OF_A_MODEL
from medfl_client.data.own_shapes import Pixels
from medfl_client.data.reader import Source
from medfl_client.data.unindexed import decode
from medfl_common.errors import ConfigError
from medfl_common.plan.images import Images
from medfl_common.ui.screen import Screen

Reasons = dict[str, str]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_model(tmp_path / "model", small_plan())
    return write_site(tmp_path / "site")


def outline(site: Path, out: Path | None, *patients: str) -> None:
    pytest.importorskip("nibabel")
    folders = [site / "dicom" / patient for patient in patients]
    predict(site, str(site.parent / "model"), folders, out, Screen(), "nifti")


def written(out: Path) -> list[str]:
    with OutlineFolder(out).volumes.open(newline="") as file:
        return [row["written"] for row in csv.DictReader(file) if row["written"]]


@pytest.mark.parametrize(("folders", "out"), [
    ({"folder": "dicom"}, "dicom/new"), ({"folder": "."}, None),
    ({"folder": "dicom", "masks": {"folder": "m"}}, "dicom/../m"),
])  # fmt: skip
def test_outlines_are_not_written_where_masks_are_read(
    site: Path, folders: dict[str, object], out: str | None
) -> None:
    words = yaml.safe_load((site / "site.yaml").read_text())
    (site / "site.yaml").write_text(yaml.safe_dump({**words, "data": words["data"] | folders}))

    with pytest.raises(ConfigError, match="lies among the site's own data"):
        outline(site, site / out if out else None, "p0")


def test_a_seg_that_medfl_wrote_is_no_mask(site: Path) -> None:
    seg = dcmread(site / "dicom/p0/seg.dcm")
    seg.Manufacturer = seg.ManufacturerModelName = "medfl"
    seg.save_as(site / "dicom/p0/seg.dcm")

    found = collect(site, site / "state", load_site_file(site).data, small_plan())

    assert found.unused_masks == {"p0/seg.dcm": OF_A_MODEL}
    assert "p0/seg.dcm" not in found.refused
    assert len(found.samples) == 3


@pytest.mark.parametrize("table", [None, "written\n0001.nii.gz\n", "file,frame\n"])
def test_files_that_predict_did_not_write_are_kept(
    site: Path, tmp_path: Path, table: str | None
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "0002.dcm").write_bytes(b"the hospital's")
    if table is not None:
        OutlineFolder(out).volumes.write_text(table)

    with pytest.raises(ConfigError, match=r"holds files .* 0002\.dcm") as caught:
        outline(site, out, "p0", "p1")

    assert (out / "0002.dcm").read_bytes() == b"the hospital's"
    assert caught.value.todo == "name an empty folder with --out"


def test_a_second_predict_deletes_what_the_first_wrote_and_nothing_else(
    site: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outline(site, out, "p0", "p1", "p3")
    (out / "notes.txt").write_text("of a physician")
    table = OutlineFolder(out).volumes
    table.write_text(table.read_text().replace("0002.nii.gz", "../0002.nii.gz"))
    (out / "0002.nii.gz").rename(tmp_path / "0002.nii.gz")

    outline(site, out, "p2")

    assert written(out) == ["0001.nii.gz"]
    assert {path.name for path in out.iterdir()} == {"0001.nii.gz", "notes.txt", "volumes.csv"}
    assert (tmp_path / "0002.nii.gz").exists()


def test_volumes_are_decoded_a_few_at_a_time_and_each_keeps_its_line(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spy(sources: Sequence[Source], images: Images) -> tuple[Pixels, list[Source], Reasons]:
        before.append((len(sources), sorted(path.name for path in out.glob("*.gz"))))
        return decode(sources, images)

    before, out = list[tuple[int, list[str]]](), tmp_path / "out"
    monkeypatch.setattr(predict_masks, "AT_ONCE", 1)
    monkeypatch.setattr(predict_masks, "decode", spy)
    broken = dcmread(site / "dicom/p1/3.dcm")
    broken.PixelData = b""
    broken.save_as(site / "dicom/p1/3.dcm")

    outline(site, out, "p0", "p1", "p2")

    assert before == [(1, []), (1, ["0001.nii.gz"]), (1, ["0001.nii.gz"])]
    with OutlineFolder(out).volumes.open(newline="") as file:
        files = {row["written"]: Path(row["file"]).parent.name for row in csv.DictReader(file)}
    assert files["0001.nii.gz"] == "p0"
    assert files["0003.nii.gz"] == "p2"


def test_a_model_of_volumes_writes_no_png(site: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="outlines volumes") as caught:
        predict(site, str(tmp_path / "model"), [site / "dicom"], None, Screen(), "png")

    assert caught.value.todo == "--as nifti, or --as dicom-seg"


def test_an_interrupted_predict_is_told_and_can_be_started_again(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr("medfl_client.commands.predict_masks._line", stop)
        with pytest.raises(KeyboardInterrupt):
            outline(site, out, "p0", "p1")
    assert "interrupted" in OutlineFolder(out).volumes.read_text()

    outline(site, out, "p0", "p1")

    assert written(out) == ["0001.nii.gz", "0002.nii.gz"]
