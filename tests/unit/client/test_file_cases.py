"""Files that people met in the world: found, named and told as what they are."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from tests.conftest import SHARED
from tests.unit.client.pixel_files import RAMP, images, row_of, write

from medfl_client.data.dicom.header import Row, Rules
from medfl_client.data.dicom.index import rows, scan
from medfl_client.data.reader import DicomReader
from medfl_client.data.unindexed import read_headers


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = SHARED.parent / "cases" / "dicom" / "cases.tar.xz"
    if not source.exists():
        pytest.skip("the cases are not on this machine (../shared/cases/dicom)")
    folder = tmp_path_factory.mktemp("cases")
    shutil.unpack_archive(source, folder, filter="data")
    return folder


def index(folder: Path, tmp_path: Path, **rules: bool) -> dict[str, Row]:
    scan(folder, tmp_path / "index.sqlite", DicomReader(), Rules(b"k", **rules))
    return {row.path: row for row in rows(tmp_path / "index.sqlite")}


@pytest.mark.parametrize(("case", "n"), [("names", 6), ("links", 2), ("patient_id", 5)])
def test_each_file_has_one_line_and_one_reason_in_index_and_predict(
    case: str, n: int, cases: Path, tmp_path: Path
) -> None:
    indexed = index(cases / case, tmp_path)
    found = read_headers([cases / case], b"k", lambda done, of: None)

    assert len(indexed) == n
    assert {row.path.removeprefix(f"{cases / case}/"): row.reason for row in found} == {
        path: row.reason for path, row in indexed.items()
    }


def test_one_person_has_one_pseudonym_in_every_character_set(cases: Path, tmp_path: Path) -> None:
    found = index(cases / "patient_id", tmp_path)

    assert len({found[f"{name}.dcm"].patient for name in ("utf8", "gb", "jis")}) == 1
    assert found["plain.dcm"].patient == found["plain2.dcm"].patient


def test_scoring_needs_no_patient_number_and_the_index_does(cases: Path, tmp_path: Path) -> None:
    (row,) = read_headers([cases / "no_patient_id"], b"k", lambda done, of: None)

    assert row.reason == ""
    assert index(cases / "no_patient_id", tmp_path)["a.dcm"].reason == (
        "PatientID is missing or empty"
    )


def test_a_data_set_without_preamble_is_read(cases: Path, tmp_path: Path) -> None:
    assert index(cases / "no_preamble", tmp_path)["a.dcm"].reason == ""


@pytest.mark.parametrize(
    ("is_implicit", "is_little"), [(False, True), (True, True), (False, False)]
)
def test_a_bare_data_set_is_read_in_every_plain_encoding(
    is_implicit: bool, is_little: bool, tmp_path: Path
) -> None:
    plain = write(tmp_path / "plain.dcm", RAMP)
    dataset = dcmread(plain)
    del dataset.file_meta
    dataset.preamble = None
    if not is_little:
        dataset.PixelData = RAMP.astype(">i2").tobytes()
    bare = tmp_path / "bare.dcm"
    dcmwrite(bare, dataset, implicit_vr=is_implicit, little_endian=is_little, force_encoding=True)

    assert bare.read_bytes()[128:132] != b"DICM"
    assert np.array_equal(row_of(bare, images()), row_of(plain, images()))
    (row,) = DicomReader().rows(bare, "bare.dcm", Rules(b"k"))
    assert row.height == 16


@pytest.mark.parametrize(
    "content", [b"\x08\0" + bytes(5000), b"Dear colleague", b"\x08\0\x16\0", b"{}", b"\0" * 200]
)
def test_what_only_begins_like_a_data_set_is_no_dicom_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "junk").write_bytes(content)

    assert index(tmp_path / "dicom", tmp_path)["junk"].reason == "not a DICOM file"
