import csv
import io
import re
from pathlib import Path

import pytest

from medfl_common.ui.spreadsheet import csv_text, safe_cell

ROOT = Path(__file__).parents[3]
READERS = {"label_file.py"}
ALLOWED = {"common/medfl_common/ui/spreadsheet.py"}


@pytest.mark.parametrize(
    "text", ["=1+1", "+49 30", "-A1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "-"]
)
def test_no_cell_runs_as_a_formula(text: str) -> None:
    assert safe_cell(text).startswith("'")
    assert safe_cell(text).replace("'", "") == text


@pytest.mark.parametrize("text", ["a;=1+1", "a\t=1", "a\n=1", "a\r\n@x", "a; -1+1", "a;\uff1d1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_formula_stands_where_a_spreadsheet_of_another_country_cuts(
    text: str, delimiter: str
) -> None:
    written = csv_text([[text, "b"], ["c", text]])

    pieces = re.split(f"[{delimiter}\r\n]", written)
    assert not [p for p in pieces if p.strip(' "').startswith(("=", "+", "-", "@", "\uff1d"))]


@pytest.mark.parametrize("value", [-0.5, "-12.25", "+3", "1e-5", "-inf", "scan-1.dcm", "a=b", ""])
def test_a_number_and_a_plain_text_stay_as_they_are(value: object) -> None:
    assert safe_cell(value) == str(value)


def test_a_csv_is_read_as_it_was_written() -> None:
    rows = [["file", "remark"], ["a,b.dcm", 'says "no"'], ["line\nbreak", "ä"]]

    assert [*csv.reader(io.StringIO(csv_text(rows)))] == rows


def test_every_csv_is_written_in_one_place() -> None:
    for package in ("common", "client", "server", "sim"):
        for path in (ROOT / package).rglob("*.py"):
            if path.relative_to(ROOT).as_posix() not in ALLOWED:
                text = path.read_text()
                found = re.search(r"csv\.writer\b|import writer|DictWriter|to_csv|delimiter=", text)
                is_read = path.name in READERS and found and found[0] == "delimiter="
                assert not found or is_read, path
