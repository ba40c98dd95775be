import errno
import logging
from contextlib import suppress
from pathlib import Path

import pytest

from medfl_common.ui.screen import (
    LOG_BYTES,
    LOG_FILES,
    LOG_LINES_A_SECOND,
    BoundedLog,
    Screen,
    errors_for_people,
    log_to,
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


def test_a_log_holds_events_and_no_polls(tmp_path: Path) -> None:
    log_to(tmp_path / "flower.log")
    logging.getLogger("httpx").info("HTTP Request: POST http://127.0.0.1:1/v1/runtime/acquire-task")
    logging.getLogger("flwr").info("an event")

    text = (tmp_path / "flower.log").read_text()

    assert "an event" in text
    assert "HTTP Request" not in text


def test_a_full_disk_is_one_line_with_the_folder_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "state" / "x"))

    with pytest.raises(SystemExit), errors_for_people():
        fill()
    lines = capsys.readouterr().err.splitlines()

    assert lines == [
        f"medfl: the disk of {tmp_path / 'state'} is full (MEDFL-E610)",
        "To do, you: make room there",
    ]


def test_a_name_that_is_not_there_is_no_question_of_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit), errors_for_people():
        (tmp_path / "gone" / "file").read_bytes()

    assert "see that the name is right" in capsys.readouterr().err


def test_a_log_on_a_full_disk_prints_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    log = BoundedLog(Path("/dev/full"))
    for second in range(1000):
        log.emit(record(second, "x" * 1000))

    assert capfd.readouterr().err == ""
    with suppress(OSError):
        log.close()
