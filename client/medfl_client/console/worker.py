"""A process that does work for the console, one piece after the other, and says what it does.

    python -P -m medfl_client.console.worker

A line of its input is a request, or the answer to a question; each line of its output is one thing
said, a question, or the end. It imports what the commands import: torch, where they do.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from medfl_client.console.tasks import TASKS, Request
from medfl_common.errors import MedflError
from medfl_common.ui.asking import Asking
from medfl_common.ui.screen import for_people

TELL_EVERY_S = 0.5  # between two words on the progress


class Wire:
    """What a piece of work says and asks.

    Args:
        out: Takes lines.
        answers: Gives lines.
    """

    def __init__(self, out: TextIO, answers: TextIO) -> None:
        self._out, self._answers = out, answers

    def send(self, **facts: Any) -> None:
        """Send one thing."""
        self._out.write(json.dumps(facts) + "\n")
        self._out.flush()

    def say(self, line: str) -> None:
        """Say one line."""
        self.send(line=line)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Show a table."""
        self.send(header=[*header], rows=[[*row] for row in rows], title=title)

    def watch(self, work: str) -> Callable[[int, int], None]:
        """Give what takes (done, of)."""
        last = 0.0

        def tell(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last > TELL_EVERY_S or done == total:
                last = now
                self.send(work=work, done=done, of=total)

        return tell

    def ask(self, question: str, proposed: str) -> str:
        """Ask a person, and wait; ends the process where the console has gone."""
        self.send(question=question, proposed=proposed)
        line = self._answers.readline()
        if not line:
            sys.exit(1)
        return str(json.loads(line)["answer"]) or proposed


def main() -> None:
    """Do what the input asks, until it ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no word of ours
    wire = Wire(out, sys.stdin)
    for line in iter(sys.stdin.readline, ""):
        _do(json.loads(line), wire)


def _do(facts: Mapping[str, Any], wire: Wire) -> None:
    try:
        request = Request(facts, wire, Asking(wire, wire.ask))
        wire.send(end=TASKS[facts["what"]](request))
    except Exception as error:
        wire.send(failed=_of(for_people(error) or _unforeseen(error)))


def _of(error: MedflError) -> dict[str, str]:
    return {"what": error.what, "todo": error.todo, "who": error.who, "data": error.data}


def _unforeseen(error: Exception) -> MedflError:
    traceback.print_exception(error)
    return MedflError(
        "medfl did not foresee this",
        todo="the terminal of the console has the text; send it to who maintains medfl",
    )


if __name__ == "__main__":
    main()
