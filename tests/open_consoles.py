"""Consoles as real processes on loopback."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
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


class Cut:
    """A way to a port of this machine that can be cut; it gives on what both sides say.

    Args:
        port: Where it leads.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._giving: list[threading.Thread] = []
        self._is_cut = False

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        _shut(self._listening)  # wakes who accepts; to close it does not
        self._accepting.join(5)
        self._listening.close()
        self.cut()
        for thread in self._giving:
            thread.join(5)
        for one in [one for pair in self._pairs for one in pair]:
            one.close()

    def cut(self) -> None:
        """End all connections; new ones end at once."""
        self._is_cut = True
        for one in [one for pair in self._pairs for one in pair]:
            _shut(one)

    def mend(self) -> None:
        """Let connections pass again."""
        self._is_cut = False

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:  # the block has ended
                return
            if self._is_cut:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:  # nobody is there
                near.close()
                continue
            self._pairs.append((near, far))
            if self._is_cut:  # meanwhile
                self.cut()
            for ends in ((near, far), (far, near)):
                self._giving.append(threading.Thread(target=_give_on, args=ends, daemon=True))
                self._giving[-1].start()


def _give_on(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while said := source.recv(65536):
            to.sendall(said)
    _shut(to)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
