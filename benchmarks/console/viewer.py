"""What a console costs beside a study of many rounds: first page, idle viewers, one more round.

    viewer.py FOLDER [VIEWERS]     FOLDER: as scale.py writes it; it is left as it was

Seconds are CPU of the console's process, but those of the first page. `run` is alive for it.
"""

import json
import os
import re
import selectors
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from medfl_common.console.folder import ConsoleFolder
from medfl_common.console.opening import ask_link
from medfl_common.files import locked
from medfl_common.run.folder import RunFolder
from medfl_server.console.command import ROLES
from medfl_sim.local.deployment import command

IDLE_S, ROUNDS, EVERY_S = 30.0, 20, 1.5
TICK = os.sysconf("SC_CLK_TCK")


class Unfollowed(HTTPRedirectHandler):
    """Gives a redirect as it is."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


class Console:
    """A console that runs, and one person who is in."""

    def __init__(self, folder: Path) -> None:
        began = time.perf_counter()
        words = [*command("server"), "console", str(folder), "--port", "0"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        found = re.search(r"http://\S+", self.process.stdout.readline())
        assert found is not None
        self.start_s, self.address = time.perf_counter() - began, found[0]
        link = ask_link(ConsoleFolder(folder), "viewer", "viewer", ROLES)
        self.cookie = ""
        try:
            build_opener(Unfollowed()).open(link)
        except OSError as answer:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]  # type: ignore[attr-defined]

    def page(self, path: str) -> bytes:
        """Read a page."""
        request = Request(f"{self.address}{path}", headers={"Cookie": self.cookie})
        with build_opener().open(request) as answer:
            body: bytes = answer.read()
        return body

    def cpu_s(self) -> float:
        """CPU seconds so far."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICK

    def memory_mb(self) -> float:
        """Resident memory now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found is not None
        return int(found[1]) / 1024

    def watch(self, path: str, versions: str, n: int) -> threading.Thread:
        """Open so many streams of events, and read them until the console ends."""
        place, waiting = urlsplit(self.address), selectors.DefaultSelector()
        head = f"GET {path}events?v={versions} HTTP/1.1\r\nHost: {place.netloc}\r\n"
        for _ in range(n):
            link = socket.create_connection((place.hostname, place.port))
            link.sendall(f"{head}Cookie: {self.cookie}\r\n\r\n".encode())
            waiting.register(link, selectors.EVENT_READ)
        reading = threading.Thread(target=_drain, args=(waiting,), daemon=True)
        reading.start()
        return reading


def _drain(waiting: selectors.DefaultSelector) -> None:
    while waiting.get_map():
        for key, _ in waiting.select():
            link = key.fileobj
            assert isinstance(link, socket.socket)
            if not link.recv(2**20):
                waiting.unregister(link)


def measure(folder: Path, n_viewers: int) -> dict[str, float]:
    """Measure one console of one study."""
    log, path = RunFolder(folder).log, f"/study/{folder.resolve().name}/"
    size = log.stat().st_size
    with locked(folder):
        console = Console(folder)
        try:
            began, cpu = time.perf_counter(), console.cpu_s()
            first = console.page(path)
            found = {
                "start_s": console.start_s, "first_page_s": time.perf_counter() - began,
                "first_page_cpu_s": console.cpu_s() - cpu, "page_kb": len(first) / 1000,
                "memory_mb": console.memory_mb(),
            }  # fmt: skip
            versions = re.search(rb'data-versions="([^"]*)"', first)
            assert versions is not None
            console.watch(path, versions[1].decode(), n_viewers)
            time.sleep(2)
            cpu, began = console.cpu_s(), time.perf_counter()
            time.sleep(IDLE_S)
            found["idle_percent"] = 100 * (console.cpu_s() - cpu) / (time.perf_counter() - began)
            found["round_ms"] = 1e3 * _rounds(console, log, found["idle_percent"] / 100)
            found["memory_after_mb"] = console.memory_mb()
        finally:
            console.process.terminate()
            console.process.wait()
            os.truncate(log, size)
    return found


def _rounds(console: Console, log: Path, idle: float) -> float:
    """Add rounds; give the CPU seconds of each, less what an idle console takes."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2**22))
        last = json.loads(file.read().splitlines()[-1])
    cpu, began = console.cpu_s(), time.perf_counter()
    for number in range(1, ROUNDS + 1):
        with log.open("a") as file:
            file.write(json.dumps({**last, "round": last["round"] + number}) + "\n")
        time.sleep(EVERY_S)
    idle_s = idle * (time.perf_counter() - began)
    return (console.cpu_s() - cpu - idle_s) / ROUNDS


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    n_viewers = int(sys.argv[2]) if len(sys.argv) == 3 else 1
    print(json.dumps(measure(Path(sys.argv[1]), n_viewers), indent=1))
