"""Names and kinds of files: each that is found has a line, in the index and in `predict`."""

import csv
import os
import socket
import unicodedata
from pathlib import Path

import pytest
from tests.unit.client.pixel_files import RAMP, write

from medfl_client.data.dicom.header import Row, Rules, pseudonym
from medfl_client.data.dicom.index import rows, scan
from medfl_client.data.dicom.text import decoded
from medfl_client.data.listing import list_paths
from medfl_client.data.reader import DicomReader
from medfl_client.data.reasons import count_faults, count_reasons, file_rows
from medfl_client.data.unindexed import read_headers
from medfl_client.readiness.left_out import write_left_out

STRANGE = ["new\nline.dcm", "tab\t.dcm", 'comma,"quote".dcm', "=1+1.dcm", "UPPER.DCM", "noext"]
STRANGE.append("\N{X-RAY}" * 63 + "abc")  # 255 bytes


def index(folder: Path) -> dict[str, Row]:
    scan(folder, folder.parent / "index.sqlite", DicomReader(), Rules(b"k"))
    return {row.path: row for row in rows(folder.parent / "index.sqlite")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "dicom"
    folder.mkdir()
    return folder


def test_every_name_has_a_line_in_the_index_and_in_predict(folder: Path) -> None:
    for name in STRANGE:
        write(folder / name, RAMP)
    os.rename(write(folder / "x", RAMP), os.fsencode(folder) + b"/caf\xe9.dcm")
    (folder / "linked").symlink_to(folder.parent, target_is_directory=True)
    os.mkfifo(folder / "pipe.dcm")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    (folder / "zero.dcm").touch()
    for name in ("Thumbs.db", ".DS_Store", "._IM1", ".hidden", "DICOMDIR"):
        (folder / name).write_bytes(b"x")
    (folder / ".snapshot").mkdir()
    (folder / "scan.dcm.gz").write_bytes(b"\x1f\x8b\x08" + bytes(20))

    indexed = index(folder)
    found = read_headers([folder], b"k", lambda done, of: None)

    reasons = {path: row.reason for path, row in indexed.items() if row.reason}
    assert set(indexed) - set(reasons) == set(STRANGE)
    assert {row.path.removeprefix(f"{folder}/"): row.reason for row in found} == {
        path: row.reason for path, row in indexed.items()
    }
    assert len(found) == len(STRANGE) + 12
    assert count_faults(reasons) == 3  # the name, the empty file and the archive


def test_the_list_of_left_out_files_can_be_read_back(tmp_path: Path) -> None:
    refused = dict.fromkeys([*STRANGE, "caf\\udce9.dcm", "half\ud800"], "because")

    write_left_out(refused, tmp_path / "left-out.csv")

    with (tmp_path / "left-out.csv").open(newline="", encoding="utf-8") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    assert len(names) == len(refused)
    assert {"'=1+1.dcm", "new\nline.dcm", "half\\ud800"} <= set(names)


def test_reasons_that_differ_in_figures_are_one_reason() -> None:
    refused = {
        "a": "WindowWidth (0028,1051) is -5; above 0 is needed",
        "b": "WindowWidth (0028,1051) is 0; above 0 is needed",
        "c": "PhotometricInterpretation (0028,0004) is 'XYZ'; not supported",
        "d": "a gap of 5.3 mm after slice 7 of 24, where the others are 2.0 mm apart",
        "e": "a gap of 12.0 mm after slice 11 of 24, where the others are 2.5 mm apart",
        "h": "Rows (0028,0010) is CS??LINEAR; one value is needed",
        "i": "Rows (0028,0010) is 32\\40; one value is needed",
        "j": "Rows (0028,0010) is missing",
        "f": "JPEG Lossless (1.2.840.10008.1.2.4.57): no",
        "g": "JPEG Baseline (1.2.840.10008.1.2.4.50): no",
    }

    assert count_reasons(refused) == {
        "WindowWidth (0028,1051) is …; above … is needed": 2,
        "a gap of … mm after slice … of …, where the others are … mm apart": 2,
        "Rows (0028,0010) is …; one value is needed": 2,
        refused["c"]: 1,
        refused["f"]: 1,
        refused["g"]: 1,
        refused["j"]: 1,
    }
    assert file_rows(3, refused)[:2] == [
        ["3", "used"],
        ["2", "left out: WindowWidth (0028,1051) is …; above … is needed"],
    ]


def test_a_file_that_was_closed_and_one_that_vanished_are_read_when_they_can_be(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder / "a.dcm", RAMP)
    facts = path.stat()
    content = path.read_bytes()
    real = os.scandir

    def vanishing(place: str) -> list["os.DirEntry[str]"]:
        entries = list(real(place))
        path.unlink(missing_ok=True)
        return entries

    monkeypatch.setattr(os, "scandir", vanishing)
    before = index(folder)["a.dcm"].reason
    monkeypatch.undo()
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    assert before == "the file is gone"
    assert index(folder)["a.dcm"].reason == ""


def test_a_named_link_is_followed_and_a_name_given_twice_is_one_file(folder: Path) -> None:
    write(folder / "a.dcm", RAMP)
    link = folder.parent / "link"
    link.symlink_to(folder)

    found = list_paths([link, folder / "a.dcm"])

    assert [(one.path, one.reason) for one in found] == [(str(folder / "a.dcm"), "")]


NAME = "山田-17"


@pytest.mark.parametrize(
    ("value", "charset"),
    [
        (NAME.encode() + b" \0", "ISO_IR 192"),
        (NAME.encode(), ""),
        (NAME.encode(), "ISO_IR 100"),
        (NAME.encode(), "no charset"),
        (NAME.encode("gb18030"), "GB18030"),
        (NAME.encode("gb18030"), "ISO_IR 192\\GB18030"),
        (NAME.encode("gb18030"), ""),
        (b"\x1b$)A" + NAME.encode("gb2312"), "\\ISO 2022 IR 58"),
        (b"\x1b$B;3ED\x1b(B-17 ", "\\ISO 2022 IR 87"),
        (b"\x1b$B;3ED\x1b(J-17", "ISO 2022 IR 13\\ISO 2022 IR 87"),
        (b"\x1b$B;3ED\x1b(B-17\0", ""),
        (NAME.encode("shift_jis"), "ISO_IR 13"),
        (b"\x1b$)C" + NAME.encode("euc_kr"), "\\ISO 2022 IR 149"),
        (NAME.encode("euc_kr"), "\\ISO 2022 IR 149"),
    ],
)
def test_a_patient_is_one_person_in_every_spelling(value: bytes, charset: str) -> None:
    assert pseudonym(b"k", decoded(value, charset)) == pseudonym(b"k", NAME)


def test_european_letters_are_no_chinese_and_no_letter_becomes_another() -> None:
    for word in ("Müller", "Größe", "Ñandú", "Łódź"):
        charset = "ISO_IR 101" if word == "Łódź" else "ISO_IR 100"
        raw = word.encode("iso8859-2" if word == "Łódź" else "latin-1")
        assert decoded(raw, charset) == word
        assert decoded(unicodedata.normalize("NFC", word).encode(), charset) == word
    assert decoded(b"\xff\xfe1", "ISO_IR 192") != decoded(b"\xfd\xfe1", "ISO_IR 192")
    assert pseudonym(b"k", decoded(b"0017 \0", "")) == (
        "a553e475985b82203f611fe9f586ee39e647d94d96e323be8f564876d7f0a07c"
    )
