"""A real study on this machine: coordinator and hospitals as processes, over TLS on loopback.

For the demonstration, the tests and the benchmarks; it runs the commands that a coordinator and a
hospital would type.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import IO

from medfl_client.commands.run import free_port
from medfl_client.config.folder import PUBLIC
from medfl_common.errors import RunError
from medfl_common.run.folder import RunFolder

Process = subprocess.Popen[bytes]

STOP_S = 15.0  # seconds for a process to end when asked to


class Deployment:
    """A study directory, site directories, and the processes that run on them.

    Args:
        folder: Holds `study/`; each process writes what it prints to `NAME.log` beside it.
        port: Where the coordinator listens on 127.0.0.1; 0 takes a free one.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.study = folder / "study"
        self.port = port or free_port()
        self._processes: list[Process] = []

    def create(self, plan: Path, sites: dict[str, Path], approve: bool = True) -> None:
        """Make the study, enrol site directories that hold a site.yaml, and approve the plan."""
        run_here("server", "init", self.study, "--plan", plan, "--host", "localhost")
        for name, site in sites.items():
            self.init_site(site, approve)
            run_here("server", "enrol", self.study, name, site / PUBLIC)

    def init_site(self, site: Path, approve: bool = True) -> None:
        """Give a site its key, the server's address and certificate, and approve the plan there."""
        ca = RunFolder(self.study).ca
        run_here("client", "init", site, "--server", f"localhost:{self.port}", "--ca", ca)
        if approve:
            run_here("client", "approve", site, RunFolder(self.study).plan_file, "--yes")

    def start_server(
        self, show: bool = False, bind: str = "127.0.0.1", how: str = "run"
    ) -> Process:
        """Start the coordinator by `run` or `resume`; `show` lets it write to this terminal."""
        arguments = [how, str(self.study), "--port", str(self.port), "--bind", bind]
        return self._start("server", arguments, None if show else self.folder / "server.log")

    def start_client(self, site: Path) -> Process:
        """Start one hospital."""
        return self._start("client", ["run", str(site)], self.folder / f"{site.name}.log")

    def stop(self) -> None:
        """Ask every process started here to end, and kill it if it does not."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, side: str, arguments: list[str], log: Path | None) -> Process:
        output: IO[bytes] | None = log.open("ab") if log else None
        process = subprocess.Popen(
            [*command(side), *arguments], stdout=output, stderr=subprocess.STDOUT if log else None
        )
        if output is not None:
            output.close()
        self._processes.append(process)
        return process


def command(side: str) -> list[str]:
    """Give the command of one side in this Python's environment: server, client or sim."""
    # -P: a folder of the current directory is never imported.
    return [sys.executable, "-P", "-c", f"from medfl_{side}.cli import main; main()"]


def run_command(side: str, *arguments: object) -> str:
    """Run one command to its end and return what it printed; raises RunError if it failed."""
    done = subprocess.run(
        [*command(side), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    text = done.stdout.decode()
    if done.returncode != 0:
        raise RunError(f"medfl-{side} {arguments[0]} ended with {done.returncode}:\n{text}")
    return text


def run_here(side: str, *arguments: object) -> str:
    """Run one short command as `run_command` does, but in this process, to save the imports."""
    app = import_module(f"medfl_{side}.cli").app
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = app([*map(str, arguments)], standalone_mode=False)
    except SystemExit as ended:
        status = ended.code
    if status:
        raise RunError(f"medfl-{side} {arguments[0]} ended with {status}:\n{said.getvalue()}")
    return said.getvalue()


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait for a condition; raises RunError with its name after the timeout."""
    ends = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > ends:
            raise RunError(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(0.05)
