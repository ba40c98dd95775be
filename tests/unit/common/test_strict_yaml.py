import os
import time
from pathlib import Path

import pytest

from medfl_common.errors import ConfigError
from medfl_common.plan.strict_yaml import parse_yaml, read_yaml


def test_plain_values_are_read_as_written() -> None:
    text = "a: 1\nb: -0.5\nc: 1.0e-3\nd: true\ne: word\nf: 'NO'\ng: [1, x]\nh: {i: null}\n"

    values = parse_yaml(text, "file")

    assert values == {
        "a": 1, "b": -0.5, "c": 0.001, "d": True, "e": "word", "f": "NO", "g": [1, "x"],
        "h": {"i": None},
    }  # fmt: skip


@pytest.mark.parametrize(
    "trap",
    ["NO", "yes", "On", "TRUE", "1e-3", "012", "0x1F", "1_000", "12:30:00", "2026-01-01", ".nan"],
)
def test_values_that_readers_take_differently_are_errors(trap: str) -> None:
    with pytest.raises(ConfigError, match=r"file, line 2: part\.key: .*readers differ"):
        parse_yaml(f"part:\n  key: {trap}\n", "file")


def test_a_hash_that_begins_with_a_zero_is_a_text() -> None:
    sha256 = "03d3368c891d3d9b51f886a740303b2ebf6fb40f15534b9a008b976b09fef432"

    assert parse_yaml(f"sha256: {sha256}", "a test") == {"sha256": sha256}


def test_a_key_that_is_there_twice_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"line 3: part\.rounds is there twice"):
        parse_yaml("part:\n  rounds: 5\n  rounds: 50\n", "file")


def test_aliases_tags_and_large_files_are_refused() -> None:
    with pytest.raises(ConfigError, match="alias"):
        parse_yaml("a: &x [1]\nb: *x\n", "file")
    with pytest.raises(ConfigError, match="tag"):
        parse_yaml("a: !!python/object/apply:os.system ['true']\n", "file")
    with pytest.raises(ConfigError, match="larger than"):
        parse_yaml("a: " + "x" * 1_000_001, "file")


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 3000,
        "a:\n" + " [\n" * 3000,
        "a: " + "{a: " * 2500,
        "- " * 5000 + "x",
        "? " * 5000 + "x",
        "\n".join(f"k{i}: 1" for i in range(20_000)),
        "a: [" + "[]," * 60_000 + "]",
        "a: " + "9" * 5000,
        "a: " + "9" * 400 + ".0",
    ],
)
def test_a_text_beyond_the_bounds_is_refused_within_two_seconds_of_cpu(text: str) -> None:
    started = time.process_time()

    with pytest.raises(ConfigError) as refused:
        parse_yaml(text, "file")

    assert time.process_time() - started < 2
    assert len(str(refused.value)) < 500


def test_a_pipe_a_device_and_a_folder_are_no_plan(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(ConfigError, match="is no file"):
            read_yaml(path)
