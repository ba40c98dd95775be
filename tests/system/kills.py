"""A storm of SIGKILLs and SIGSTOPs over a real study; as systemd would, it starts what was killed.

For the tests and the benchmarks. Each waits for its moment, a phase of a round, and for the process
that it is meant for. What ends without having been killed is a fault, and ends the storm.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np

from medfl_common.errors import RunError
from medfl_common.run.log import Line, read_lines
from medfl_sim.local.deployment import Deployment, Process

LOOK_S = 0.002  # between looks for the moment
MOMENT_S = 40.0  # a moment that does not come by then is passed over
TRAINING_S = (0.2, 1.0)  # after the asking
# A long training is one whose process has the processor for a part of the time only.
LONG_S, AT_S = 75.0, (5.0, 50.0)  # how long it has so little, and when it is hit
ON_S, OFF_S = 0.01, 0.99
STOPPED_S = (0.5, 30.0)  # how long a SIGSTOP lasts
PROCESSES = ("coordinator", "supernode", "executor")
TURNS = ("asking", "training", "sending")  # in these any process can be hit
PHASES = ("asking", "training", "sending", "folding", "writing")


@dataclass(frozen=True)
class Kill:
    """One SIGKILL or SIGSTOP."""

    process: str
    phase: str
    signal: str
    is_long: bool  # in a training of a minute
    recovered_s: float  # until the next round was made


class Storm:
    """Kills and restarts the processes of a deployment until its study has ended.

    Args:
        deployment: A study with enrolled sites; nothing runs yet.
        sites: The sites' directories by name.
        n_kills: How many; fewer if the study ends before.
        seed: Of the choice of processes and moments.
        phases: Where they hit, in turn.
        is_long: Every training that is hit takes a minute.
        stops: Part of them that are SIGSTOPs, continued later.
    """

    def __init__(
        self,
        deployment: Deployment,
        sites: dict[str, Path],
        n_kills: int,
        seed: int,
        phases: Sequence[str] = PHASES,
        is_long: bool = False,
        stops: float = 0.0,
    ) -> None:
        self._phases, self._is_long, self._stops = phases, is_long, stops
        self.kills: list[Kill] = []
        self._killed: set[int] = set()
        self._deployment = deployment
        self._sites = sites
        self._n_kills = n_kills
        self._rng = np.random.default_rng(seed)
        self._server = deployment.start_server()
        self._clients = {name: deployment.start_client(path) for name, path in sites.items()}
        self._log = deployment.study / "log.jsonl"
        self._n_turns = 0
        self._counted = (0, 0)  # bytes of the log, and the rounds in them

    def run(self, timeout_s: float) -> list[Kill]:
        """Kill until enough, then wait for the end; raises RunError where it does not come."""
        ends = time.monotonic() + timeout_s
        self._wait(lambda: self._n_rounds() >= 1, ends)
        for phase in cycle(self._phases):
            if len(self.kills) == self._n_kills or self._is_over():
                break
            self.kills += self._kill_in(phase, ends)
        self._wait(self._is_over, ends)
        return self.kills

    def events(self, kind: str) -> list[Line]:
        """Read the run log's events of a kind."""
        return [event for event in read_lines(self._log) if event["event"] == kind]

    def _kill_in(self, phase: str, ends: float) -> list[Kill]:
        """Wait for a phase and kill a process that has a part in it; nothing if it passed by."""
        process = "coordinator"  # it alone folds and writes
        if phase in TURNS:
            process = PROCESSES[(self._n_turns + self._n_turns // 3) % len(PROCESSES)]
            self._n_turns += 1
        site = str(self._rng.choice(list(self._sites)))
        n_rounds, is_long = self._n_rounds(), self._is_long and phase == "training"
        has_come = self._moment(phase, site)
        if not self._wait(has_come, min(ends, time.monotonic() + MOMENT_S), is_needed=False):
            return []
        if is_long:
            self._make_long(self._pid("executor", site))
            after = time.monotonic() + float(self._rng.uniform(*AT_S))
            self._wait(lambda: time.monotonic() > after, ends)
        pid = self._pid(process, site)
        if pid is None or self._is_over():
            return []
        sent = self._hit(pid, "SIGSTOP" if self._rng.random() < self._stops else "SIGKILL")
        hit = time.monotonic()
        n_rounds = max(n_rounds, self._n_rounds())
        self._wait(lambda: self._n_rounds() > n_rounds or self._is_over(), ends)
        return [Kill(process, phase, sent, is_long, time.monotonic() - hit)]

    def _hit(self, pid: int, sent: str) -> str:
        if sent == "SIGSTOP":
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(float(self._rng.uniform(*STOPPED_S)))
                os.kill(pid, signal.SIGCONT)
        else:
            self._killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        return sent

    def _make_long(self, pid: int | None) -> None:
        """Give a process the processor for a small part of a minute."""
        ends = time.monotonic() + LONG_S

        def pace() -> None:
            while pid is not None and time.monotonic() < ends and pid not in self._killed:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(OFF_S)
                os.kill(pid, signal.SIGCONT)
                time.sleep(ON_S)

        def until_gone() -> None:
            with suppress(ProcessLookupError):
                pace()

        threading.Thread(target=until_gone, daemon=True).start()

    def _moment(self, phase: str, site: str) -> Callable[[], bool]:
        """Give what says whether a phase of the next round is there."""
        n_rounds, size = self._n_rounds(), self._ledger_size(site)
        said = self._deployment.folder / "server.log"
        n_said = said.stat().st_size
        checkpoints = self._deployment.study / "checkpoints"
        delay = float(self._rng.uniform(*TRAINING_S)) if phase == "training" else 0.0
        asked_at: list[float] = []

        def has_come() -> bool:
            if phase == "writing":
                return any(name.endswith(".partial") for name in os.listdir(checkpoints))
            if phase == "sending":
                return self._ledger_size(site) > size
            if phase == "folding":
                return b" answered after" in said.read_bytes()[n_said:]
            if self._n_rounds() > n_rounds:
                asked_at.append(time.monotonic())
            return bool(asked_at) and time.monotonic() - asked_at[0] >= delay

        return has_come

    def _wait(self, condition: Callable[[], bool], ends: float, is_needed: bool = True) -> bool:
        """Wait, and keep everything running meanwhile."""
        looked = 0.0
        while not condition():
            now = time.monotonic()
            if now > ends:
                if is_needed:
                    raise RunError("the study did not get on in time; see the logs")
                return False
            if now - looked > 0.1:
                looked = now
                self._restart_what_died()
            time.sleep(LOOK_S)
        return True

    def _restart_what_died(self) -> None:
        if self._server.poll() not in (None, 0):
            self._must_be_killed("the coordinator", self._server)
            self._server = self._deployment.start_server()
        for name, client in self._clients.items():
            if client.poll() not in (None, 0):  # 0: it has heard that the study is finished
                self._must_be_killed(f"the client of {name}", client)
                self._clients[name] = self._deployment.start_client(self._sites[name])

    def _must_be_killed(self, name: str, process: Process) -> None:
        if process.pid not in self._killed:
            raise RunError(f"{name} ended with {process.poll()}, and nobody had killed it")

    def _pid(self, process: str, site: str) -> int | None:
        if process == "coordinator":
            return self._running(self._server)
        executor = self._running(self._clients[site])
        if executor is None or process == "executor":
            return executor
        return next((pid for pid in children(executor) if _is_supernode(pid)), None)

    def _running(self, process: Process) -> int | None:
        return process.pid if process.poll() is None else None

    def _is_over(self) -> bool:
        return self._server.poll() == 0

    def _n_rounds(self) -> int:
        size = self._log.stat().st_size if self._log.exists() else 0
        if size != self._counted[0]:  # else there is nothing new in it
            self._counted = (size, len(self.events("round")))
        return self._counted[1]

    def _ledger_size(self, site: str) -> int:
        path = self._sites[site] / "state" / "ledger.jsonl"
        return path.stat().st_size if path.exists() else 0


def children(pid: int) -> list[int]:
    """List the children of a process, whichever of its threads started them."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            found += [int(child) for child in path.read_text().split()]
    return found


def _is_supernode(pid: int) -> bool:
    try:
        return b"medfl_client.connection.supernode" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
