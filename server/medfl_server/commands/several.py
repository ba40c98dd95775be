"""`medfl-server run` of a directory with studies below: all of them, on one port.

Each study has a thread of its own with its round loop, its run directory, roster and study key. A
fault of one ends that one; the others go on. A study that is made, extended or mended meanwhile
begins as it stands.
"""

import time
from collections.abc import Callable
from pathlib import Path

from medfl_common.errors import MedflError, RunError
from medfl_common.files import locked
from medfl_common.run.folder import RunFolder
from medfl_common.ui.screen import Screen, log_to
from medfl_server.commands.one_of_several import OwnLines, Running
from medfl_server.commands.run import largest_reply
from medfl_server.commands.serving import serving
from medfl_server.roster.study_key import study_fingerprint
from medfl_server.study.coordinator import is_over, open_one, refuse_alike, studies_to_run
from medfl_server.study.made_meanwhile import MadeMeanwhile
from medfl_server.study.pause_wish import wish_in
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import ConnectedSite

Ask = Callable[[], dict[str, ConnectedSite]]
LOOK_S = 0.5
STOP_S = 8.0  # for each study to say goodbye when somebody stops them all


def run_several(
    folder: Path, bind: str, port: int, metrics_port: int | None, screen: Screen
) -> None:
    """Run every study below that is not finished; RunError where one of them failed.

    Those that a person has paused wait for `resume`, of them or of all. One that cannot be opened
    keeps no other from running.
    """
    screen.say("starting")
    broken: list[Path] = []

    def leave_out(path: Path, error: Exception) -> None:
        broken.append(path)
        OwnLines(path.name).explain(error)

    with serving(folder):
        made = MadeMeanwhile(folder)
        studies = studies_to_run(folder, leave_out)
        if not (studies or broken):
            screen.say(f"every study below {folder} is finished; there is nothing left to do")
            return
        for study in studies:
            with locked(study.folder):  # raises where another process has it
                pass
        _serve(folder, studies, broken, made, bind, port, metrics_port)


def _serve(
    folder: Path,
    studies: list[Study],
    broken: list[Path],
    made: MadeMeanwhile,
    bind: str,
    port: int,
    metrics_port: int | None,
) -> None:
    running = [Running(study) for study in studies]
    ready = [one for one in running if one.is_ready(port)]
    if not ready:
        raise RunError("no study can begin; see above why")
    at_port = _Coordinator(folder, ready[0], studies, bind, port, metrics_port)
    at_port.run(running, ready, broken, made)


class _Coordinator:
    """One port, and the studies that are served there."""

    def __init__(
        self,
        folder: Path,
        first: Running,
        studies: list[Study],
        bind: str,
        port: int,
        metrics_port: int | None,
    ) -> None:
        from medfl_server.prometheus import watch_together
        from medfl_server.superlink.join_desk import Joining, at_its_study
        from medfl_server.superlink.listener import Listener
        from medfl_server.superlink.superlink import SuperLink

        made = RunFolder(folder)
        log_to(made.superlink_log)
        self._folder, self._port = folder, port
        self._most = max(largest_reply(study.plan) for study in studies)
        self._monitor = None if metrics_port is None else watch_together(metrics_port)
        self._desks: list[Joining] = []
        self._asks: dict[Path, Ask] = {}
        self._studies: dict[Path, Running] = {}  # as each was begun, or tried, last
        self._running: list[Running] = []  # the same, for the threads to look at
        self._again: list[Path] = []  # changed while they still said goodbye
        listener = Listener(bind, port, made.server_certificate, made.server_key, self._most)
        desk = at_its_study(self._desks)
        self._link = SuperLink(first.roster, listener, first.say, desk)
        self._connect(first, self._link.connected_sites)

    def run(
        self,
        running: list[Running],
        ready: list[Running],
        broken: list[Path],
        made: MadeMeanwhile,
    ) -> None:
        """Serve until all have ended; RunError where one has failed."""
        for one in running:
            self._studies[one.study.folder] = one
        for one in ready:
            self._connect(one)
        with self._link.serving():
            for one in ready:
                self._begin(one)
            self._wait(made)
        never = [path.name for path in broken if path not in self._studies]
        begun = [one.study.plan.study for one in self._studies.values() if not one.is_done]
        if failed := [*never, *begun]:
            n = len(never) + len(self._studies)
            raise RunError(
                f"{len(failed)} of {n} studies did not finish: {', '.join(failed)}",
                todo="see above why, then start the same command again",
                data="nothing is lost",
            )

    def _wait(self, made: MadeMeanwhile) -> None:
        try:
            while any(one.is_running() or one.rests for one in self._studies.values()):
                time.sleep(LOOK_S)
                resumed = [path for path, one in self._studies.items() if one.may_go_on()]
                changed, self._again = {*resumed, *made(), *self._again}, []
                for path in sorted(changed):
                    self._consider(path)
        except KeyboardInterrupt:
            for one in self._studies.values():
                one.stop()
            ends = time.monotonic() + STOP_S
            for one in self._studies.values():
                one.join(max(0.0, ends - time.monotonic()))
            raise

    def _consider(self, path: Path) -> None:
        """Begin a study that is new here or was changed, unless it runs; or say why it cannot."""
        before = self._studies.get(path)
        if before is not None and before.makes_rounds:
            return
        if before is not None and before.rests and not before.may_go_on():
            return
        try:
            if before is not None:
                before.rests = False
            study = open_one(self._folder, path)
            if is_over(study):
                return
            if self._ends_goodbyes_of(study):
                self._again.append(path)
                return
            self._refuse_unfit(study)
            one = self._studies[path] = Running(study)
            if one.is_ready(self._port):
                self._connect(one)
                self._begin(one)
        except Exception as error:  # of one study, while others run
            OwnLines(path.name).explain(error)

    def _ends_goodbyes_of(self, study: Study) -> bool:
        """Say whether hospitals still hear that a study with this key is over, and end that.

        A study that was extended has it, and the branch of a finished one.
        """
        key = study_fingerprint(study.folder)
        ending = [
            one
            for one in self._studies.values()
            if one.is_running() and not one.makes_rounds
            if study_fingerprint(one.study.folder) == key
        ]
        for one in ending:
            one.leave()
        return bool(ending)

    def _refuse_unfit(self, study: Study) -> None:
        """Raise MedflError where a study cannot run beside those that do."""
        refuse_alike([*(one.study for one in self._studies.values() if one.is_running()), study])
        if largest_reply(study.plan) > self._most:
            raise RunError(
                "its network is larger than this process expects",
                todo="start the coordinator again, and it begins with the others",
            )

    def _connect(self, one: Running, ask: Ask | None = None) -> None:
        """Let a study's hospitals in, and take who asks to join it; once."""
        from medfl_server.superlink.join_desk import Joining

        path = one.study.folder
        if path not in self._asks:
            ask = ask or self._link.also(one.roster, one.say)
            watched = ask if self._monitor is None else self._monitor.add(one.study, ask)
            self._asks[path] = watched
            self._desks.append(Joining(path, one.say))
        one.connect(self._asks[path])

    def _begin(self, one: Running) -> None:
        """Start a study's thread, unless a person has paused it."""
        folder = one.study.folder
        if (wish := wish_in(folder)) is not None:
            one.rests = True
            one.say(f"{wish.in_words}; medfl-server resume {folder} lets it go on")
            return
        self._running[:] = [*self._studies.values()]
        try:
            one.start(self._link, self._running)
        except MedflError as error:
            one.screen.explain(error)
