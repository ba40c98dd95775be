"""The chained file: crashes do no harm, and the first line that somebody touched is named."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from medfl_common import chain
from medfl_common.chain import append, first_broken_line, read_lines
from medfl_common.errors import RunError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.jsonl"
    for n in range(6):
        append(path, {"round": n, "arrays": {"w": [2, 2]}, "decision": "released"})
    return path


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_any_changed_byte_names_its_own_line(path: Path) -> None:
    whole, rng = path.read_bytes(), random.Random(0)
    assert first_broken_line(path) is None
    for place in rng.sample(range(len(whole)), 300):
        if whole[place : place + 1] == b"\n":
            continue
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)

        broken = first_broken_line(path)

        assert broken is not None
        assert broken.line == whole[:place].count(b"\n") + 1


def test_a_line_that_is_removed_moved_or_cut_off_is_named(path: Path) -> None:
    whole = lines(path)
    for i in range(6):
        path.write_bytes(b"".join(whole[:i] + whole[i + 1 :]))
        broken = first_broken_line(path)
        assert broken is not None
        assert broken.line == i + 1
    for n_left in range(6):
        path.write_bytes(b"".join(whole[:n_left]))
        assert first_broken_line(path) == (n_left + 1, f"{6 - n_left} lines are missing at the end")
    path.write_bytes(b"".join([whole[0], whole[2], whole[1], *whole[3:]]))
    assert first_broken_line(path) == (2, "a line was removed or moved: line 3 stands here")
    path.write_bytes(b"".join([*whole[:4], whole[3], *whole[4:]]))
    assert first_broken_line(path) == (5, "a line was removed or moved: line 4 stands here")
    path.unlink()
    assert first_broken_line(path) == (1, "the whole file is missing")


def test_a_line_that_was_forged_with_its_own_hash_is_named(path: Path) -> None:
    whole = lines(path)
    for i in range(6):
        text = whole[i].rpartition(chain.HASH)[0].replace(b"released", b"nothing!") + b"}"
        forged = text[:-1] + chain.HASH + chain._digest(text).encode() + b'"}\n'
        path.write_bytes(b"".join([*whole[:i], forged, *whole[i + 1 :]]))

        broken = first_broken_line(path)

        assert broken is not None
        assert (broken.line, broken.what[:21]) == (i + 1, "it was written anew: ")


@pytest.mark.parametrize("n_bytes", [1, 40, 200])
def test_a_torn_last_line_is_cut_noted_and_the_chain_goes_on(path: Path, n_bytes: int) -> None:
    with path.open("ab") as file:
        file.write(lines(path)[-1][:n_bytes])
    assert first_broken_line(path) is None

    append(path, {"round": 7})

    assert first_broken_line(path) is None
    assert read_lines(path)[-1]["cut"] == f"{n_bytes} bytes of a line torn by a crash"
    assert [entry["line"] for entry in read_lines(path)] == [1, 2, 3, 4, 5, 6, 7]


def test_a_crash_between_a_line_and_its_head_is_no_tampering(path: Path) -> None:
    head = path.with_suffix(".head").read_bytes()
    append(path, {"round": 6})
    path.with_suffix(".head").write_bytes(head)

    assert first_broken_line(path) is None
    append(path, {"round": 7})
    assert first_broken_line(path) is None
    path.with_suffix(".head").write_bytes(head)
    assert first_broken_line(path) == (8, "the .head file is older than this line, or is gone")


def test_two_crashes_in_a_row_between_a_line_and_its_head_are_no_tampering(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = chain._write_head
    for n_heads in (0, 1):  # the second life writes the head that the first one owes, no more
        left = iter(range(n_heads))

        def stop(path: Path, head: chain.Head, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            whole(path, head)

        monkeypatch.setattr(chain, "_write_head", stop)
        with pytest.raises(KeyboardInterrupt):
            append(path, {"round": 6})
    monkeypatch.undo()

    assert first_broken_line(path) is None
    append(path, {"round": 7})
    assert first_broken_line(path) is None


@pytest.mark.parametrize("damage", ["cut", "changed", "no head", "damaged head"])
def test_nothing_is_added_to_an_end_that_somebody_touched(path: Path, damage: str) -> None:
    whole, head = lines(path), path.with_suffix(".head")
    if damage == "cut":
        path.write_bytes(b"".join(whole[:-1]) + whole[-1][:50])
    elif damage == "changed":
        path.write_bytes(b"".join(whole[:-1]) + whole[-1].replace(b"released", b"nothing!"))
    elif damage == "no head":
        head.unlink()
    else:
        head.write_text("?")
    before = path.read_bytes()

    with pytest.raises(RunError, match="does not end with the line that was written last"):
        append(path, {"round": 7})

    assert path.read_bytes() == before
    assert first_broken_line(path) is not None


def test_lines_longer_than_a_block_are_read_from_the_end(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for n in range(5):
        append(path, {"round": n, "names": ["x" * 30_000] * (n % 3) * 3})

    assert [entry["round"] for entry in chain.newest_first(path)] == [4, 3, 2, 1, 0]
    assert first_broken_line(path) is None


def test_a_line_costs_the_same_however_long_the_record_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append(path, {"note": "first"})
    text = b'{"line": 0}\n' * 3_000_000  # 36 MB before the last line
    path.write_bytes(text + path.read_bytes())

    started = time.process_time()
    append(path, {"note": "second"})

    assert time.process_time() - started < 0.5  # reading all of it takes longer
    assert next(chain.newest_first(path))["note"] == "second"
