"""What a person sees of a running command: lines, a progress bar, tables, errors in one line."""

import logging
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import NoReturn, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text
from typer import Abort

from medfl_common.errors import MedflError, system_reason
from medfl_common.full import full_disk
from medfl_common.visible import visible

MINUTES_FROM_S = 90  # from here on a time is in minutes
TELL_EVERY_S = 5.0  # between two lines about a long piece of work
ENOUGH_TO_TELL = 10  # pieces done; of fewer most of the time is that of a start
LOG_BYTES, LOG_FILES = 10_000_000, 5  # of one log file, and how many old ones are kept
# The log counts more lines without writing them, so no site can fill the disk.
LOG_LINES_A_SECOND = 20


class Position(Protocol):
    """Where a study is."""

    @property
    def round(self) -> int:
        """Count the rounds made."""

    @property
    def part(self) -> float:
        """Give the finished fraction of the next round, 0..1."""

    @property
    def seconds_left(self) -> float | None:
        """Estimate the time left; None before the first round."""


class Screen:
    """Prints to the terminal, or plain lines where there is none.

    Args:
        outlived: The work goes on where the terminal or the pipe is gone.
    """

    def __init__(self, outlived: bool = False) -> None:
        self._lost = (OSError, SystemExit) if outlived else ()  # rich ends at a broken pipe
        # Show data as they are: rich would make emoji of `:CD:`, and styles of `[bold]`.
        self._console = Console(highlight=False, soft_wrap=True, emoji=False, markup=False)

    def say(self, line: str) -> None:
        """Print one line with the time of day."""
        with suppress(*self._lost):
            now = (time.strftime("%H:%M:%S"), "dim")
            self._console.print(Text.assemble(now, " ", visible(line, keep="\n")))

    def say_all(self, lines: Iterable[str]) -> None:
        """Print lines, one after the other."""
        for line in lines:
            self.say(line)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Print a table."""
        # A hash or a path that is too long for its column wraps, whole, into the next line.
        columns = [Column(visible(name), overflow="fold") for name in header]
        table = Table(*columns, title=visible(title) or None, title_justify="left")
        for row in rows:
            table.add_row(*[visible(cell, keep="\n") for cell in row])
        self._console.print(table)

    def watch(self, work: str) -> Callable[[int, int], None]:
        """Return a function that takes (done, of) and reports the progress now and then."""
        started = last = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last > TELL_EVERY_S:
                last = now
                rate = done / (now - started)
                left = in_words((total - done) / rate)
                pace = f" ({rate:,.0f} a second), {left} left" if done >= ENOUGH_TO_TELL else ""
                self.say(f"{work} {done:,} of {total:,}{pace}")

        return tell

    @contextmanager
    def progress(self, n_rounds: int) -> Iterator[Callable[[Position], None]]:
        """Show a bar of rounds with the time left; yield the function that moves it."""
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.1f}/{task.total} rounds"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        with bar:
            task = bar.add_task("training", total=n_rounds, left="")

            def follow(position: Position) -> None:
                seconds = position.seconds_left
                left = "" if seconds is None else f"{in_words(seconds)} left"
                bar.update(task, completed=position.round + position.part, left=left)

            yield follow


def in_words(seconds: float) -> str:
    """Say a length of time as a person would."""
    return f"about {seconds:.0f} s" if seconds < MINUTES_FROM_S else f"about {seconds / 60:.0f} min"


class BoundedLog(RotatingFileHandler):
    """A log file with a bounded size and lines a second; it counts the lines that it leaves out."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
        self._second = self._lines = self._left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or count it; the first line of the next second reports the count."""
        if int(record.created) != self._second:
            self._tell_left_out()
            self._second, self._lines = int(record.created), 0
        self._lines += 1
        if self._lines > LOG_LINES_A_SECOND:
            self._left_out += 1
        else:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Count a line that the disk does not take; who works there names the fault, once."""
        self._left_out += 1

    def close(self) -> None:
        """Report the last left-out lines, and close the file."""
        self._tell_left_out()
        super().close()

    def _tell_left_out(self) -> None:
        if self._left_out:
            facts = {"msg": f"{self._left_out} more left out", "levelname": "WARNING"}
            self._left_out = 0
            super().emit(logging.makeLogRecord(facts))


class VisibleFormatter(logging.Formatter):
    """Formats a line of a log so that reading it in a terminal is safe."""

    def format(self, record: logging.LogRecord) -> str:
        """Format, and spell out what would steer a terminal."""
        return visible(super().format(record), keep="\n\t")


def log_to(path: Path) -> None:
    """Send Flower's and its libraries' own log lines to a file; the screen is for the study."""
    handler = BoundedLog(path)
    handler.setFormatter(VisibleFormatter("%(asctime)s %(levelname)s %(message)s"))
    for name in ("flwr", "uvicorn", "uvicorn.error", "httpx"):
        logger = logging.getLogger(name)
        for old in logger.handlers:
            old.close()
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each poll as information


def lines_of(error: MedflError) -> list[str]:
    """Return an error's fields as lines: what and code, what became of the data, who does what."""
    lines = [f"medfl: {error.what} (MEDFL-E{error.code})"]
    if error.data:
        lines.append(f"Data: {error.data}")
    if error.todo:
        lines.append(f"To do, {error.who}: {error.todo}")
    return [visible(line, keep="\n") for line in lines]


STOPPED = "stopped; nothing is lost, start the same command again"


def _end_with(error: MedflError) -> NoReturn:
    with suppress(OSError):
        sys.stdout.flush()
    print(*lines_of(error), sep="\n", file=sys.stderr)
    sys.exit(error.status)


def _refused_by_the_system(error: Exception) -> MedflError | None:
    if not isinstance(error, OSError) or error.filename is None:
        return None
    is_elsewhere = isinstance(error, FileNotFoundError | NotADirectoryError | FileExistsError)
    return MedflError(
        f"{error.filename}: {system_reason(error)}",
        todo="see that the name is right, and put back what was moved away"
        if is_elsewhere
        else "let this user read and write there, and see that there is room",
    )


def for_people(error: Exception) -> MedflError | None:
    """Give an error as a person reads it; None: nobody foresaw it."""
    known = error if isinstance(error, MedflError) else _refused_by_the_system(error)
    return full_disk(error) or known


@contextmanager
def errors_for_people() -> Iterator[None]:
    """Turn our own errors into a message and an exit status; the only place that catches them."""
    if sys.stdin is None:  # the caller has closed it; then it is empty
        sys.stdin = open(os.devnull)  # noqa: SIM115
    try:
        yield
    except (MedflError, OSError, sqlite3.Error) as error:
        told = for_people(error)
        if told is None:
            raise
        _end_with(told)
    except (KeyboardInterrupt, Abort) as stopped:  # Abort: Ctrl-C or Ctrl-D at a question
        print(f"medfl: {str(stopped) or STOPPED}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(130)  # other threads may be inside Flower's own waiting
