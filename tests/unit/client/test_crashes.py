"""A file that crashed a decoder is remembered; one that could not be opened is tried again."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.client.test_sandbox import PLAN

from medfl_client.data.cache import cached_pixels
from medfl_client.data.dicom.geometry import Array
from medfl_client.data.dicom.header import Row, Rules
from medfl_client.data.dicom.index import rows, scan
from medfl_client.data.reader import Source
from medfl_common.plan.images import Images


@dataclass(frozen=True)
class CrashingReader:
    """A reader whose decoder crashes on one file and is refused another."""

    name: str = "crashing"

    def rows(self, path: Path, name: str, rules: Rules) -> list[Row]:
        if name == "crash.dcm":
            os.abort()
        if name == "closed.dcm":
            raise PermissionError(13, "closed")
        return [Row(name, modality="CT", patient="0" * 64)]

    def image(self, folder: Path, source: Source, images: Images) -> Array:
        os.abort()

    def prepare(self) -> bool:
        return False


def test_what_crashed_a_decoder_is_not_opened_again_until_the_decoders_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, database = tmp_path / "dicom", tmp_path / "index.sqlite"
    folder.mkdir()
    for name in ("good.dcm", "crash.dcm", "closed.dcm"):
        (folder / name).write_text("x")
    opened: list[int] = []
    reader = CrashingReader()

    def times_opened() -> int:
        opened.clear()
        scan(folder, database, reader, Rules(b"k"), lambda done, of: opened.append(of))
        return len(opened)

    assert times_opened() == 3
    found = {row.path: row.reason for row in rows(database)}
    assert found == {
        "good.dcm": "",
        "crash.dcm": "reading it crashed the decoder",
        "closed.dcm": "the file may not be read; check its permissions",
    }
    assert times_opened() == 1  # what was closed may be open now
    monkeypatch.setattr("medfl_client.data.dicom.index.decoder_versions", lambda: "newer")
    assert times_opened() == 2


def test_a_sample_that_crashed_a_decoder_is_remembered_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.dcm").write_text("x")
    facts = (tmp_path / "a.dcm").stat()
    source = Source((Row("a.dcm", size=facts.st_size, mtime_ns=facts.st_mtime_ns),))
    opened: list[int] = []

    def times_opened() -> int:
        opened.clear()
        found = cached_pixels(
            [source], tmp_path, PLAN, tmp_path / "cache", CrashingReader(),
            lambda done, of: opened.append(of),
        )  # fmt: skip
        assert found.reasons == {0: "reading it crashed the decoder"}
        return len(opened)

    assert [times_opened(), times_opened()] == [1, 0]
    monkeypatch.setattr("medfl_client.data.records.decoder_versions", lambda: "newer")
    assert times_opened() == 1
