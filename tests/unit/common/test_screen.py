import logging
from pathlib import Path

import pytest

from medfl_common.ui.screen import (
    LOG_BYTES,
    LOG_FILES,
    LOG_LINES_A_SECOND,
    BoundedLog,
    Screen,
)


def record(second: float, text: str) -> logging.LogRecord:
    facts = {"msg": text, "levelname": "INFO", "created": second}
    return logging.makeLogRecord(facts)


def test_of_two_thousand_lines_a_second_twenty_are_written_and_the_rest_counted(
    tmp_path: Path,
) -> None:
    log = BoundedLog(tmp_path / "log")
    for second in (100, 101):
        for i in range(2000):
            log.emit(record(second + i / 2000, f"bad reply {i}"))
    log.close()

    lines = (tmp_path / "log").read_text().splitlines()

    assert len(lines) == 2 * (LOG_LINES_A_SECOND + 1)
    assert lines[LOG_LINES_A_SECOND] == lines[-1] == f"{2000 - LOG_LINES_A_SECOND} more left out"
    assert lines[LOG_LINES_A_SECOND + 1] == "bad reply 0"


def test_a_quiet_log_is_written_whole(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "log")
    for second in range(100):
        log.emit(record(float(second), f"line {second}"))
    log.close()

    assert (tmp_path / "log").read_text().splitlines() == [f"line {i}" for i in range(100)]


def test_a_log_takes_no_more_than_its_files_of_ten_megabytes(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "log")
    text = "x" * 1_000_000
    for second in range(80):
        log.emit(record(float(second), f"{second} {text}"))
    log.close()

    files = sorted(tmp_path.iterdir())

    assert len(files) == 1 + LOG_FILES
    assert all(file.stat().st_size <= LOG_BYTES for file in files)
    assert (tmp_path / "log").read_text().splitlines()[-1].startswith("79 ")


def test_data_are_shown_as_they_are_without_emoji_or_styles(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fingerprint = "CA:93:CD:AB:26 [bold]x[/bold] :smile:"
    screen = Screen()

    screen.say(fingerprint)
    screen.table(["keys", ":CD:"], [[fingerprint, "1"]], title=f"of {fingerprint}")

    shown = capsys.readouterr().out
    assert shown.count(fingerprint) == 3
    assert shown.count(":CD:") == 4
