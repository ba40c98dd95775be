"""Hostile files: each costs one row, in bounded time and memory, and nothing else is lost."""

import os
import struct
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from tests.unit.client.pixel_files import RAMP, write

from medfl_client.data import sandbox_handle as worker
from medfl_client.data.dicom.header import Row, Rules
from medfl_client.data.dicom.index import rows, scan
from medfl_client.data.dicom.reading import HEADER_TAGS, PIXEL_TAGS, read_header, read_image
from medfl_client.data.opened import open_file
from medfl_client.data.reader import DicomReader, Source, pixel_work, read_pixels
from medfl_client.data.sandbox import Work, in_sandbox
from medfl_client.data.sandbox_wire import Refused
from medfl_client.data.sandbox_worker import DAMAGED
from medfl_common.errors import DataError
from medfl_common.plan.images import Images

PLAN = Images(modality=["CT"], size=16)


def work(job: str) -> bytes:
    if job == "crash":
        os.abort()
    if job == "hang":
        time.sleep(600)
    if job == "fill":
        return bytes(8 * 2**30)
    if job == "here":
        with open_file(Path("here")) as file:
            return file.read()
    if job == "refuse":
        raise DataError("because")
    if job == "name":
        raise ValueError("DOE^JOHN")
    return job.upper().encode()


def text(job: object, body: memoryview) -> str:
    return bytes(body).decode()


WORK = Work(do=work, accept=text)


def test_every_job_is_answered_once_whatever_its_neighbours_do() -> None:
    jobs = [f"job {i}" for i in range(50)]
    jobs[3], jobs[17], jobs[30], jobs[31] = "crash", "hang", "fill", "refuse"
    jobs[44], jobs[45] = "name", "crash"

    answers = list(in_sandbox(WORK, jobs, chunk=8, timeout_s=10.0, n_workers=2))

    assert sorted(job for job, _ in answers) == sorted(jobs)
    reasons = {job: r.reason for job, r in answers if isinstance(r, Refused)}
    assert reasons == {
        "crash": "reading it crashed the decoder",
        "hang": "reading it took more than 10 s and was stopped",
        "fill": "reading it needs more than 2 GB of memory",
        "refuse": "because",
        "name": DAMAGED,
    }
    assert {(job, r) for job, r in answers if job.startswith("job")} == {
        (job, job.upper()) for job in jobs if job.startswith("job")
    }


def test_a_worker_that_died_while_idle_costs_no_file() -> None:
    list(in_sandbox(WORK, ["a"], n_workers=1))
    for idle in worker.idle:
        idle.process.kill()
        idle.process.wait()

    assert list(in_sandbox(WORK, ["a", "b"], n_workers=1)) == [("a", "A"), ("b", "B")]


def test_a_worker_that_was_idle_reads_relative_paths_from_where_its_caller_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "here").write_text(name)
        monkeypatch.chdir(tmp_path / name)

        work_here = replace(WORK, files=lambda job: [Path(job)])
        assert list(in_sandbox(work_here, ["here"], n_workers=1)) == [("here", name)]


def hostile(folder: Path) -> None:
    """Write the files of the threat list, each in its own way made to hurt a reader."""
    good = write(folder / "good.dcm", RAMP)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian

    def deflated(name: str, content: bytes) -> None:
        dataset = Dataset()
        dataset.file_meta = meta
        dataset.SOPClassUID, dataset.SOPInstanceUID = uid.CTImageStorage, uid.generate_uid()
        dataset.save_as(folder / name, enforce_file_format=True)
        whole = (folder / name).read_bytes()
        length = struct.unpack("<I", whole[140:144])[0]
        stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        (folder / name).write_bytes(
            whole[: 144 + length] + stream.compress(content) + stream.flush()
        )

    rest = good.read_bytes()
    start = 144 + struct.unpack("<I", rest[140:144])[0]
    private = struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 400 * 2**20)
    deflated("bomb-before.dcm", private + bytes(400 * 2**20) + rest[start:])
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 400 * 2**20)
    tail = rest[start : rest.index(b"\xe0\x7f\x10\x00OW")]
    deflated("bomb-pixels.dcm", tail + pixels + bytes(400 * 2**20))
    run = dcmread(good)
    run.Rows = run.Columns = 20_000
    run.file_meta.TransferSyntaxUID = uid.RLELossless
    run.PixelData = encapsulate([struct.pack("<16I", 2, 64, 64, *[0] * 13) + b"\x81\x00" * 9000])
    run["PixelData"].is_undefined_length = True
    run.save_as(folder / "bomb-rle.dcm")
    (folder / "claim.dcm").write_bytes(
        rest[:start] + struct.pack("<HH2sHI", 0x0008, 0x0005, b"UN", 0, 0xFFFFFFF0) + b"x" * 16
    )
    nested = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    (folder / "nested.dcm").write_bytes(rest[:start] + (nested + item) * 20_000)
    (folder / "polyglot.dcm").write_bytes(b"MZ" + write(folder / "x.dcm", RAMP).read_bytes()[2:])
    (folder / "x.dcm").unlink()
    (folder / "text.dcm").write_text("not an image")
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "cut.dcm").write_bytes(rest[:-100])
    (folder / "archive.dcm").write_bytes(b"PK\3\4" + b"x" * 100)
    frames = dcmread(good)
    frames.NumberOfFrames = 2**31 - 1
    frames.save_as(folder / "frames.dcm")
    (folder / "DICOMDIR").write_bytes(rest)
    Path(os.fsdecode(os.fsencode(folder) + b"/M\xfcller.dcm")).write_bytes(rest)


def test_hostile_files_are_refused_and_the_good_ones_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "dicom"
    folder.mkdir()
    hostile(folder)
    started = time.monotonic()

    scan(folder, tmp_path / "index.sqlite", DicomReader(), Rules(b"k"))
    found = {row.path: row for row in rows(tmp_path / "index.sqlite")}
    usable = [Source((row,)) for row in found.values() if not row.reason]
    decoded = dict(in_sandbox(pixel_work(DicomReader(), folder, PLAN), usable))

    assert time.monotonic() - started < 60  # 2 s on a machine without other work
    reasons = {path: row.reason for path, row in found.items() if row.reason}
    reasons |= {s.rows[0].path: r.reason for s, r in decoded.items() if isinstance(r, Refused)}
    assert set(found) - set(reasons) == {"good.dcm", "polyglot.dcm"}
    assert reasons["text.dcm"] == "not a DICOM file"
    assert reasons["empty.dcm"] == "the file is empty (0 bytes)"
    assert reasons["archive.dcm"] == "an archive; unpack it first"
    assert reasons["bomb-pixels.dcm"] == "deflated content is above the limit of 128 MB"
    assert "above the limit" in reasons["bomb-rle.dcm"]
    assert "NumberOfFrames (0028,0008) is 2147483647" in found["frames.dcm"].reason
    assert "holds 412 bytes where the header says 512" in reasons["cut.dcm"]
    assert "DICOMDIR" in reasons["DICOMDIR"]
    assert "not UTF-8" in reasons["M\\udcfcller.dcm"]
    assert all(reasons.values())
    good = next(r for s, r in decoded.items() if s.rows[0].path == "good.dcm")
    assert isinstance(good, np.ndarray)


def test_numbers_that_no_table_takes_cost_no_more_than_themselves(tmp_path: Path) -> None:
    folder = tmp_path / "dicom"
    folder.mkdir()
    path = write(folder / "a.dcm", RAMP)
    content = path.read_bytes()
    at = content.index(struct.pack("<HH2s", 0x0028, 0x0002, b"US"))
    strange = b""
    for tag, vr, text in (
        ((0x0018, 0x0050), b"DS", b"nan "),
        ((0x0020, 0x0013), b"IS", b"9" * 40),
        ((0x0020, 0x0032), b"DS", b"0\\inf\\0 "),
        ((0x0020, 0x0037), b"DS", b"a\\b\\c\\d\\e\\f "),
    ):
        strange += struct.pack("<HH2sH", *tag, vr, len(text)) + text
    path.write_bytes(content[:at] + strange + content[at:])

    scan(folder, tmp_path / "index.sqlite", DicomReader(), Rules(b"k"))

    (row,) = rows(tmp_path / "index.sqlite")
    assert (row.reason, row.height) == ("", 16)
    assert (row.slice_mm, row.instance) == (0.0, 0)
    assert row.position == "0\\inf\\0"  # refused by name where a place is needed


def test_a_deflate_bomb_is_refused_in_a_second_and_300_megabytes(tmp_path: Path) -> None:
    hostile(tmp_path)

    for name in ("bomb-before.dcm", "bomb-pixels.dcm"):
        work_of_reading = Work(
            do=_cost_of_reading,
            accept=lambda path, body: struct.unpack("dd", body),
            files=lambda path: [path],
            setup=DicomReader().prepare,
        )
        ((_, found),) = in_sandbox(work_of_reading, [tmp_path / name])
        assert isinstance(found, tuple)
        seconds, peak = found
        assert seconds < 1
        assert peak < 300 * 2**20


def _cost_of_reading(path: Path) -> bytes:
    """Read a file as the index and the cache do; give seconds of a core, and bytes at most."""
    import resource

    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        (row,) = DicomReader().rows(path, path.name, Rules(b"k"))
    except DataError:
        row = Row(path.name, size=path.stat().st_size, mtime_ns=path.stat().st_mtime_ns)
    with pytest.raises(DataError):
        read_pixels(DicomReader(), path.parent, PLAN, Source((row,)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return struct.pack("dd", time.process_time() - began, peak * 1024)


def test_nothing_but_the_listed_tags_of_a_header_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", RAMP, PatientName="DOE^JOHN", PatientBirthDate="19600101")

    (row,) = DicomReader().rows(path, "a.dcm", Rules(b"k"))

    assert {element.keyword for element in read_header(path)} <= set(HEADER_TAGS)
    assert {element.keyword for element in read_image(path)} <= set(PIXEL_TAGS)
    assert not {"PatientName", "PatientBirthDate"} & {*HEADER_TAGS, *PIXEL_TAGS}
    assert "DOE" not in repr(row)
    assert "19600101" not in repr(row)
    assert row.patient != "1"


def test_a_file_that_changed_after_the_index_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", RAMP)
    (row,) = DicomReader().rows(path, "a.dcm", Rules(b"k"))
    write(path, RAMP[::-1], PatientComments="longer")

    with pytest.raises(DataError, match="has changed since it was indexed"):
        read_pixels(DicomReader(), tmp_path, PLAN, Source((row,)))
