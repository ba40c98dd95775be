"""People who type commands into a terminal, and answer what they are asked."""

import os
import signal
from pathlib import Path

import pexpect

from medfl_common.errors import RunError
from medfl_sim.local.deployment import command

ANSWER_S = 300.0  # for what takes seconds on an idle machine


class Person:
    """Types commands into a terminal of his own, and answers what they ask."""

    def __init__(self, side: str, folder: Path) -> None:
        self._side, self._folder = side, folder
        self.commands: list[str] = []
        self.n_answers = self.n_keys = 0
        self.running: list[pexpect.spawn[str]] = []

    def start(self, *words: object) -> "pexpect.spawn[str]":
        typed = [str(word) for word in words]
        program, *rest = command(self._side)
        self.commands.append(" ".join(typed))
        self.n_keys += len(f"medfl-{self._side} {self.commands[-1]}\n")
        found = pexpect.spawn(
            program, [*rest, *typed], cwd=str(self._folder), encoding="utf-8", timeout=ANSWER_S,
            dimensions=(50, 300), env={**os.environ, "TERM": "dumb", "NO_COLOR": "1"}, echo=False,
        )  # fmt: skip
        self.running.append(found)
        return found

    def type_(self, *words: object, answers: tuple[tuple[str, str], ...] = ()) -> str:
        """Type a command, wait for each question, answer it; give what the screen shows."""
        screen, said = self.start(*words), ""
        for question, text in answers:
            screen.expect_exact(question)
            said += f"{screen.before}{question}"
            screen.sendline(text)
            self.n_answers += 1
            self.n_keys += len(text) + 1
        screen.expect(pexpect.EOF)
        screen.wait()  # it may take a moment to end; `close` would not leave it one
        if screen.exitstatus != 0:
            raise RunError(f"{words} ended with {screen.exitstatus}:\n{said}{screen.before}")
        return f"{said}{screen.before}"

    def leave(self) -> None:
        """End what still runs; a machine with much to do needs its time for that."""
        for process in self.running:
            if process.isalive():
                process.kill(signal.SIGKILL)
                process.wait()
            process.close()
