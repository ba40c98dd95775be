"""A decoder that was taken over: what it can do, and what its parent believes."""

import ctypes
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from tests.unit.client.pixel_files import RAMP, write

from medfl_client.data import sandbox
from medfl_client.data.dicom.fault import UNNAMED, find_fault
from medfl_client.data.dicom.header import Row, Rules
from medfl_client.data.lockdown import LANDLOCK, SECCOMP, name_locks
from medfl_client.data.opened import WINDOW, open_file
from medfl_client.data.reader import DicomReader, Source, header_work, pixel_work
from medfl_client.data.row_bytes import pack_rows, unpack_rows
from medfl_client.data.sandbox import NO_ANSWER, Work, in_sandbox
from medfl_client.data.sandbox_handle import Worker
from medfl_client.data.sandbox_wire import (
    HEAD,
    Refused,
    frame,
    pack_answers,
    take_frame,
    unpack_answers,
)
from medfl_client.data.sandbox_worker import report_locks
from medfl_common.errors import DataError
from medfl_common.plan.images import Images

PLAN = Images(modality=["CT"], size=16)
LOCKED = sys.platform == "linux" and os.uname().machine in ("x86_64", "aarch64")


def text(job: object, body: memoryview) -> str:
    return bytes(body).decode()


def _ptrace() -> None:
    c_library = ctypes.CDLL(None, use_errno=True)
    if c_library.ptrace(16, os.getppid(), None, None):
        raise OSError(ctypes.get_errno(), "refused")


def _memory_of_the_parent() -> None:
    Path(f"/proc/{os.getppid()}/mem").open("r+b").close()


ATTACKS: dict[str, Callable[[], object]] = {
    "TCP": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "local socket": lambda: socket.socketpair(),
    "write": lambda: Path("/tmp/medfl-evil").write_text("x"),
    "read": lambda: Path("/etc/passwd").read_text(),
    "list": lambda: os.listdir("/"),
    "delete": lambda: os.unlink("/tmp/medfl-evil"),
    "link": lambda: os.symlink("/etc/passwd", "/tmp/medfl-evil"),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "process": lambda: subprocess.Popen([sys.executable, "-c", ""]),
    "signal": lambda: os.kill(os.getppid(), 0),
    "ptrace": _ptrace,
    "memory of the parent": _memory_of_the_parent,
    "reopen": lambda: Path("/proc/self/fd/0").open("rb").close(),
}


def attack(job: str) -> bytes:
    """Do as a decoder would that was taken over."""
    try:
        ATTACKS[job]()
    except OSError as error:
        return f"refused {error.errno}".encode()
    return b"done"


@pytest.mark.skipif(not LOCKED, reason="this kernel has neither seccomp nor Landlock")
def test_a_worker_reaches_no_network_file_process_or_signal() -> None:
    found = dict(in_sandbox(Work(do=attack, accept=text), [*ATTACKS], 4, n_workers=1))

    assert found == dict.fromkeys(ATTACKS, "refused 13")
    ((_, locks),) = in_sandbox(Work(do=report_locks, accept=lambda job, body: body[0]), [0])
    assert locks == SECCOMP | LANDLOCK
    assert name_locks(SECCOMP | LANDLOCK) == "seccomp and Landlock"


def read_two(job: tuple[Path, Path]) -> bytes:
    own, other = job
    with open_file(own) as file:
        content = file.read()
    with open_file(own) as file:  # a second time, from its beginning
        assert file.read() == content
    try:
        open_file(other)
    except PermissionError:
        return content
    return b"read another"


def test_a_worker_reads_the_files_of_its_batch_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("mine")
    (tmp_path / "other").write_text("secret")
    job = (tmp_path / "own", tmp_path / "other")

    work = Work(do=read_two, accept=text, files=lambda job: [job[0]])

    assert list(in_sandbox(work, [job])) == [(job, "mine")]


def read_all(paths: list[Path]) -> bytes:
    total = 0
    for path in [*paths, *paths[::-1]]:
        with open_file(path) as file:
            total += int(file.read())
    return str(total).encode()


def test_a_volume_of_more_files_than_descriptors_is_read_window_by_window(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(3 * WINDOW + 5)]
    for i, path in enumerate(paths):
        path.write_text(str(i))
    work = Work(do=read_all, accept=text, files=lambda paths: paths)

    assert list(in_sandbox(work, [paths])) == [(paths, str(2 * sum(range(len(paths)))))]


def _say(body: bytes) -> Callable[[socket.socket], None]:
    return lambda line: line.sendall(body)


def _trickle(line: socket.socket) -> None:
    line.sendall(HEAD.pack(b"A", 1000))
    for _ in range(100):
        line.sendall(b"x")
        time.sleep(0.1)


def _ask_for_ever(line: socket.socket) -> None:
    for _ in range(10_000):
        line.sendall(frame(b"O", bytes(8)))


PICKLE = b"cposix\nsystem\n(S'touch /tmp/medfl-evil'\ntR."
HOSTILE = {
    "pickle": _say(PICKLE),
    "pickle in a frame": _say(frame(b"A", PICKLE)),
    "endless length": _say(HEAD.pack(b"A", 2**63)),
    "unknown letter": _say(frame(b"Z")),
    "ready twice": _say(frame(b"R", b"\3")),
    "no answer": _say(frame(b"A")),
    "two answers": _say(frame(b"A", pack_answers([b"x", b"y"]))),
    "an answer and more": _say(frame(b"A", pack_answers([b"x"])) + b"more"),
    "not what is asked for": _say(frame(b"A", pack_answers([b"\xff"]))),
    "a file far away": _say(frame(b"O", b"\xff" * 8)),
    "asks for ever": _ask_for_ever,
    "trickle": _trickle,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nonsense_of_a_worker_costs_the_worker_and_its_file(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair()
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    worker = Worker(b"", process, ours, deadline=time.monotonic() + 60, is_ready=True)
    fresh = iter([worker])
    monkeypatch.setattr(sandbox, "take_worker", lambda key, start: next(fresh))

    def talk() -> None:
        with theirs:
            try:
                HOSTILE[name](theirs)
                time.sleep(3)
            except OSError:
                return

    thread = threading.Thread(target=talk)
    thread.start()
    started = time.monotonic()

    ((_, found),) = in_sandbox(Work(do=attack, accept=text), ["a"], timeout_s=1.0)

    assert time.monotonic() - started < 10
    thread.join()
    assert isinstance(found, Refused)
    assert found.reason == NO_ANSWER or "1 s" in found.reason
    assert process.poll() is not None
    assert not Path("/tmp/medfl-evil").exists()


def test_what_a_worker_says_becomes_a_row_or_nothing_whatever_the_bytes() -> None:
    """20,000 changed and random answers: each is a refusal, or rows that a table takes."""
    rng = random.Random(1)
    good = pack_answers([pack_rows([Row("a", patient="0" * 64, modality="CT")]), Refused("no")])
    n_rows = 0
    for _ in range(20_000):
        body = bytearray(good if rng.random() < 0.9 else rng.randbytes(rng.randrange(400)))
        for _ in range(rng.randrange(4)):
            if body:
                body[rng.randrange(len(body))] = rng.randrange(256)
        if rng.random() < 0.2:
            body = body[: rng.randrange(len(body) + 1)]
        try:
            taken = take_frame(bytearray(frame(b"A", bytes(body))), {b"A": 1000})
            assert taken is not None
            first, second = unpack_answers(taken[1], 2)
            if not isinstance(first, Refused):
                (row, *_) = unpack_rows("a", 1, 2, first)
                assert (row.path, row.size, row.mtime_ns) == ("a", 1, 2)
                assert all(type(getattr(row, f.name)) is f.type for f in fields(Row))
                n_rows += 1
            if isinstance(second, Refused):
                assert second.reason.isprintable()
        except (ValueError, struct.error):
            continue
    assert n_rows > 1000


def test_real_headers_and_pixels_come_through_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", RAMP, Manufacturer="Größe")
    job = ("a.dcm", path.stat().st_size, path.stat().st_mtime_ns)
    reader, rules = DicomReader(), Rules(b"k")

    ((_, found),) = in_sandbox(header_work(reader, tmp_path, rules), [job])
    assert found == reader.rows(path, "a.dcm", rules)
    assert not isinstance(found, Refused)
    ((_, pixels),) = in_sandbox(pixel_work(reader, tmp_path, PLAN), [Source(tuple(found))])
    assert isinstance(pixels, np.ndarray)
    assert (pixels.shape, pixels.dtype) == (PLAN.shape, np.uint8)


def fail_to_start() -> bool:
    os._exit(1)


def test_a_worker_that_does_not_start_is_no_files_fault() -> None:
    with pytest.raises(DataError, match="did not start"):
        list(in_sandbox(Work(do=attack, accept=text, setup=fail_to_start), ["a"]))


def test_a_fault_that_nobody_foresaw_names_tag_and_value_and_no_python(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", RAMP)
    content = path.read_bytes()
    at = content.index(struct.pack("<HH2s", 0x0028, 0x0002, b"US"))
    slope = struct.pack("<HH2sH", 0x0020, 0x4000 - 0x3FED, b"IS", 4) + b"1.5x"
    cases = {"InstanceNumber (0020,0013) is '1.5x'": slope}
    for reason, extra in cases.items():
        path.write_bytes(content[:at] + extra + content[at:])
        assert find_fault(path) == f"{reason}; DICOM allows no such value"
    twice = struct.pack("<HH2sHHH", 0x0028, 0x0100, b"US", 4, 16, 16)
    single = struct.pack("<HH2sHH", 0x0028, 0x0100, b"US", 2, 16)
    path.write_bytes(content.replace(single, twice))
    assert "BitsAllocated (0028,0100)" in find_fault(path)
    path.write_bytes(b"nothing of all this")
    assert find_fault(path) == UNNAMED
    assert "Error" not in UNNAMED
