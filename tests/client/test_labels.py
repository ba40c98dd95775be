from pathlib import Path

import pytest

from medfl_client.labels import read_csv
from medfl_client.site_file import DataFiles
from medfl_common.errors import DataError

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

    assert {key: row.words[0] for key, row in labels.items()} == {"a": "ill", "b": "x, y"}


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


def test_the_same_label_twice_is_no_conflict(tmp_path: Path) -> None:
    labels = read_csv(write(tmp_path, b"id,finding\na,1\na,1\n"), DATA, ("finding",))

    assert labels["a"].line == 2
