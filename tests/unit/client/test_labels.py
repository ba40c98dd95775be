from pathlib import Path

import numpy as np
import pytest

from medfl_client.config.site_file import DataFiles
from medfl_client.data.labels import LabelRow, encode, read_csv
from medfl_client.data.spreadsheet_damage import hint_of_join
from medfl_common.errors import DataError
from medfl_common.plan.task import Task

DATA = DataFiles(
    folder="d", labels="l.csv", join_column="id", label_column="finding", values={"1": "ill"}
)


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "l.csv"
    path.write_bytes(data)
    return path


def test_a_byte_order_mark_quotes_and_blanks_are_read_right(tmp_path: Path) -> None:
    path = write(tmp_path, '\ufeffid, finding\na ,1\nb,"x, y"\n\n'.encode())

    labels = read_csv(path, DATA, ("finding",))

    assert {key: row.words[0] for key, (row,) in labels.items()} == {"a": "ill", "b": "x, y"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'id,finding\na,1\nb,"2\nc,3\n', "line 3"),
        (b"id,finding\na,1,9\n", "line 2 has 3 cells, the header 2"),
        (b"id,finding\na\n", "line 2 has 1 cells"),
        (b"id,id,finding\n", "'id' is there twice"),
        (b"id,label\n", "no column 'finding'; it has: id, label"),
        (b"id,finding\na,M\xfcller\n", "line 2 is not UTF-8"),
        (b"id,finding\na,1\nb,\0\n", "line 3 holds a NUL byte"),
        (b"id,finding\na," + b"x" * 200_000 + b"\n", "line 2 is not valid CSV"),
        (b"id,finding\na,1\na,2\n", "lines 2 and 3 give the same id the labels 'ill' and '2'"),
        (b"", "is empty"),
    ],
)
def test_a_fault_is_an_error_with_its_line(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_csv(write(tmp_path, data), DATA, ("finding",))


def task(kind: str, *classes: str) -> Task:
    return Task.model_validate({"type": kind, "classes": [*classes]})


def row(*words: str) -> LabelRow:
    return LabelRow(2, words, {})


def test_findings_in_columns_are_yes_no_or_unknown() -> None:
    plan = task("multilabel", "edema", "effusion", "mass")

    assert encode(row("1", "0", "0"), plan, DATA) == (1.0, 0.0, 0.0)
    some = encode(row("1.0", "", "-1"), plan, DATA)  # blank, and CheXpert's uncertain
    assert some is not None
    assert some[0] == 1.0
    assert np.isnan(some[1:]).all()
    assert encode(row("", "-1", "unknown"), plan, DATA) is None
    with pytest.raises(ValueError, match="maybe"):
        encode(row("1", "maybe", "0"), plan, DATA)


def test_findings_in_one_cell_are_told_apart_by_the_separator() -> None:
    plan = task("multilabel", "Edema", "Mass")
    data = DATA.model_copy(update={"separator": "|", "values": {"No Finding": "none"}})

    assert encode(row("Mass|Edema"), plan, data) == (1.0, 1.0)
    assert encode(row("No Finding"), plan, data) == (0.0, 0.0)
    assert encode(row(""), plan, data) is None
    with pytest.raises(ValueError, match="Hernia"):
        encode(row("Mass|Hernia"), plan, data)


def test_a_label_that_is_not_known_is_no_class() -> None:
    plan = task("binary", "well", "ill")

    assert encode(row("ill"), plan, DATA) == (1.0,)
    assert encode(row(""), plan, DATA) is encode(row("unknown"), plan, DATA) is None
    with pytest.raises(ValueError, match="sick"):
        encode(row("sick"), plan, DATA)


def test_one_patient_written_in_two_ways_is_one_key(tmp_path: Path) -> None:
    path = write(tmp_path, b"id,finding\n 007,1\n007 ,2\n")

    with pytest.raises(DataError, match="lines 2 and 3 give the same id"):
        read_csv(path, DATA, ("finding",), str.strip)


def test_an_older_encoding_has_to_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, b"id,finding\na,M\xfcller\n")

    with pytest.raises(DataError, match=r"line 2 is not UTF-8.*data\.encoding"):
        read_csv(path, DATA, ("finding",))
    latin = DATA.model_copy(update={"encoding": "latin-1"})
    assert read_csv(path, latin, ("finding",))["a"][0].words == ("Müller",)


def test_the_same_label_twice_is_no_conflict(tmp_path: Path) -> None:
    labels = read_csv(write(tmp_path, b"id,finding\na,1\na,1\n"), DATA, ("finding",))

    assert [found.line for found in labels["a"]] == [2]


@pytest.mark.parametrize(
    ("data", "message", "line"),
    [
        (b"id;finding\r\na;1\r\n", "semicolons stand between", 'cell_separator: ";"'),
        (b"id\tfinding\na\t1\n", "tabs stand between", 'cell_separator: "\\t"'),
        (b"sep=;\r\nid;finding\r\na;1\r\n", "line 1 says that semicolons", 'cell_separator: ";"'),
        (b"id,finding\na,M\xfcller\n", "line 2 is not UTF-8", "encoding: latin-1"),
        (b"id,finding\na,\x93x\x94\n", "line 2 is not UTF-8", "encoding: cp1252"),
        ("id,finding\na,1\n".encode("utf-16"), "is UTF-16", "encoding: utf-16"),
        ("id,finding\nab,12345\n".encode("utf-16-le"), "is UTF-16", "encoding: utf-16"),
        (b"PK\x03\x04rest", "workbook", "CSV UTF-8"),
        (b"id,finding\na,1\n3.02E+15,1\n", "line 3 has 3.02E[+]15 as id", "as text"),
        (b"id,finding\n1,2-Jan\n", "line 2 has '2-Jan' as finding: a spreadsheet made", "data.val"),
        (b"id,finding\n02.01.2026,1\n", "line 2 has '02.01.2026' as id", "as text"),
        (b'id,finding\na,"1\nmore"\n', "line 2 opens a quote", "line breaks"),
    ],
)
def test_what_a_spreadsheet_made_is_recognised_and_told_with_the_remedy(
    data: bytes, message: str, line: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message) as error:
        read_csv(write(tmp_path, data), DATA, ("finding",))

    assert line in (error.value.todo or "")


def test_utf8_under_an_older_encoding_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeffid,finding\na,Müller\n".encode())

    with pytest.raises(DataError, match=r"is UTF-8, and data\.encoding is cp1252"):
        read_csv(path, DATA.model_copy(update={"encoding": "cp1252"}), ("finding",))


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        (b"sep=;\r\nid;finding;;\r\na;1;;\r\n;;;\r\n;;;\r\n", {"cell_separator": ";"}),
        ("id\tfinding\t\r\na\t1\t\r\n".encode("utf-16"),
         {"cell_separator": "\t", "encoding": "utf-16"}),
        (b"id,finding,note\ra,1,\x85\r", {"encoding": "latin-1"}),
    ],
)  # fmt: skip
def test_with_the_remedy_a_spreadsheets_file_is_read(
    data: bytes, changes: dict[str, str], tmp_path: Path
) -> None:
    found = read_csv(write(tmp_path, data), DATA.model_copy(update=changes), ("finding",))

    assert {key: row.words for key, (row,) in found.items()} == {"a": ("ill",)}


KNOWN = {"PatientID": {"00123", "00456"}, "SOPInstanceUID": {"1.2.3", "1.2.4"}}


def test_a_path_that_is_no_files_is_shown_beside_one_that_is() -> None:
    data = DATA.model_copy(update={"join": "path"})
    known = {"path": {"a/1.dcm", "a/2.dcm"}, "PatientID": {"x"}}

    found = hint_of_join([{"id": "D:\\a\\1.png"}], data, lambda join, text: text, known)

    assert "a file here is called 'a/1.dcm'" in found
    assert not hint_of_join([{"id": "a/2.dcm"}], data, lambda join, text: text, known)


@pytest.mark.parametrize(
    ("rows", "hint"),
    [
        ([{"id": "123", "mrn": "00123"}, {"id": "456", "mrn": "00456"}],
         "the column mrn is id with its leading zeros: write join_column: mrn below"),
        ([{"id": "123"}, {"id": "456"}], "id lost its leading zeros: the images' PatientID have 5"),
        ([{"id": "9", "uid": "1.2.3"}], "write join: SOPInstanceUID and join_column: uid below"),
        ([{"id": "0000123"}, {"id": "000123"}], ""),
        ([{"id": "00123"}, {"id": "00456"}], ""),
    ],
)  # fmt: skip
def test_a_column_that_joins_better_is_named(rows: list[dict[str, str]], hint: str) -> None:
    data = DATA.model_copy(update={"join": "PatientID"})

    found = hint_of_join(rows, data, lambda join, text: text, KNOWN)

    assert hint in found
    assert bool(found) == bool(hint)
