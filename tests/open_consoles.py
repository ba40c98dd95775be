"""Consoles as real processes on loopback."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from medfl_common.console.folder import ConsoleFolder
from medfl_common.console.links import ask
from medfl_sim.local.deployment import command
from tests.conftest import ROOT

START_S = 60.0  # on a machine with much to do


class Opened:
    """A console that runs; it ends with the block.

    Args:
        words: The command line, after the program.
        folder: What the console keeps.
    """

    def __init__(self, words: list[str], folder: ConsoleFolder) -> None:
        self._words, self.folder = words, folder
        self.address = ""

    @classmethod
    def small(cls, folder: Path, **wanted: object) -> Self:
        """Give the small console of the unit tests, on a free port."""
        facts = json.dumps({"port": 0, **wanted})
        module = "tests.unit.common.open_small"
        return cls([sys.executable, "-m", module, str(folder), facts], ConsoleFolder(folder))

    @classmethod
    def of(cls, side: str, *folders: Path, kept: Path) -> Self:
        """Give the console of `medfl-server` or `medfl-client`, on a free port."""
        words = [*command(side), "console", *map(str, folders), "--port", "0"]
        return cls(words, ConsoleFolder(kept))

    def __enter__(self) -> Self:
        self.log = self.folder.path.parent / f"{self.folder.path.name}.log"
        with self.log.open("w") as file:
            self.process = subprocess.Popen(
                self._words, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        ends = time.monotonic() + START_S
        while not self.address:
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < ends, self.said()
            time.sleep(0.05)
            found = re.search(r"is open at (\S+)", self.said())
            self.address = found.group(1) if found else ""
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def said(self) -> str:
        """Give what it has printed."""
        return self.log.read_text()

    def link(self, role: str, who: str = "Ada") -> str:
        """Ask it for a link, as `--link` does."""
        return ask(self.folder.links, who, role)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """End it, and give its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(30)
