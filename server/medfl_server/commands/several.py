"""`medfl-server run` of a directory with studies below: all of them, on one port.

Each study has a thread of its own with its round loop, its run directory, roster and study key. A
fault of one ends that one; the others go on.
"""

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from medfl_common.errors import MedflError, RunError
from medfl_common.files import locked
from medfl_common.run.folder import RunFolder
from medfl_common.ui.screen import Screen, for_people, lines_of, log_to
from medfl_server.commands.run import largest_reply, names_of, report_study, say_keys
from medfl_server.commands.serving import serving
from medfl_server.roster.enrolment import LiveRoster
from medfl_server.study.coordinator import studies_to_run
from medfl_server.study.pause_wish import wish_in
from medfl_server.study.run_directory import Study

if TYPE_CHECKING:
    from medfl_server.superlink.superlink import SuperLink
    from medfl_server.superlink.transport import ConnectedSite

LOOK_S = 0.2
STOP_S = 8.0  # for each study to say goodbye when somebody stops them all


def run_several(
    folder: Path, bind: str, port: int, metrics_port: int | None, screen: Screen
) -> None:
    """Run every study below that is not finished; RunError where one of them failed.

    Those that a person has paused wait for `resume`, of them or of all. One that cannot be opened
    keeps no other from running.
    """
    screen.say("starting")
    broken: list[str] = []

    def leave_out(path: Path, error: Exception) -> None:
        broken.append(path.name)
        _explain(error, _OwnLines(path.name).say)

    with ExitStack() as held:
        held.enter_context(serving(folder))
        studies = studies_to_run(folder, leave_out)
        if not (studies or broken):
            screen.say(f"every study below {folder} is finished; there is nothing left to do")
            return
        for study in studies:
            held.enter_context(locked(study.folder))
        _serve(folder, studies, broken, bind, port, metrics_port)


def _serve(
    folder: Path,
    studies: list[Study],
    broken: list[str],
    bind: str,
    port: int,
    metrics_port: int | None,
) -> None:
    """Listen at one port, and run each study in a thread until all have ended."""
    from medfl_server.superlink.join_desk import Joining, at_its_study
    from medfl_server.superlink.listener import Listener
    from medfl_server.superlink.superlink import SuperLink

    made = RunFolder(folder)
    log_to(made.superlink_log)
    running = [Running(study) for study in studies]
    ready = [one for one in running if one.is_ready(port)]
    if not ready:
        raise RunError("no study can begin; see above why")
    most = max(largest_reply(study.plan) for study in studies)
    listener = Listener(bind, port, made.server_certificate, made.server_key, most)
    desk = at_its_study([Joining(one.study.folder, one.say) for one in ready])
    link = SuperLink(ready[0].roster, listener, ready[0].say, desk)
    asks = [link.connected_sites, *(link.also(one.roster, one.say) for one in ready[1:])]
    if metrics_port is not None:
        from medfl_server.prometheus import watch_together

        studies = [one.study for one in ready]
        asks = watch_together([*zip(studies, asks, strict=True)], metrics_port)
    for one, ask in zip(ready, asks, strict=True):
        one.connect(ask)
    with link.serving():
        _run_all(ready, link)
    if failed := [*broken, *(one.study.plan.study for one in running if not one.is_done)]:
        n = len(broken) + len(running)
        raise RunError(
            f"{len(failed)} of {n} studies did not finish: {', '.join(failed)}",
            todo="see above why, then start the same command again",
            data="nothing is lost",
        )


def _run_all(running: "list[Running]", link: "SuperLink") -> None:
    for one in running:
        one.start(link, [other for other in running if other is not one])
    try:
        while any(one.thread.is_alive() for one in running):
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        for one in running:
            one.stop()
        ends = time.monotonic() + STOP_S
        for one in running:
            one.thread.join(max(0.0, ends - time.monotonic()))
        raise


def _explain(error: Exception, say: Callable[[str], None]) -> None:
    """Say what went wrong with one study; what nobody foresaw with its traceback."""
    told = for_people(error)
    for line in lines_of(told) if told else ["".join(traceback.format_exception(error))]:
        say(line)


class _OwnLines(Screen):
    """A screen whose lines say which study they are of."""

    def __init__(self, study: str) -> None:
        super().__init__()
        self._study = study

    def say(self, line: str) -> None:
        """Print one line."""
        super().say(f"{self._study}: {line}")


class Running:
    """One of several studies that this process runs."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.screen = _OwnLines(study.plan.study)
        self.say = self.screen.say
        self.roster = LiveRoster(study.folder)
        self.is_done = False
        self.makes_rounds = True  # until it says goodbye for good
        self._stopping = threading.Event()
        self._has_heard = False
        self._connected: Callable[[], Mapping[str, ConnectedSite]] = dict

    def connect(self, connected_sites: "Callable[[], Mapping[str, ConnectedSite]]") -> None:
        """Take what lists the connected sites of this study."""
        self._connected = connected_sites

    def is_ready(self, port: int) -> bool:
        """Say who may come, or why the study cannot begin."""
        try:
            names = names_of(self.study, self.roster())
            say_keys(self.study, self.screen)
        except MedflError as error:
            _explain(error, self.say)
            return False
        self.say(f"listening on port {port} for {', '.join(names)}")
        return True

    def start(self, link: "SuperLink", others: "list[Running]") -> None:
        """Run it in a thread, among others."""
        self.thread = threading.Thread(
            target=self._run, args=(link, others), name=self.study.plan.study, daemon=True
        )
        self.thread.start()

    def stop(self) -> None:
        """Have it say goodbye and end; a thread gets no signal."""
        self._stopping.set()

    def connected_sites(self) -> "Mapping[str, ConnectedSite]":
        """List the connected sites, which a loop does all the time; raises where it is to end."""
        if self._stopping.is_set() and not self._has_heard:
            self._has_heard = True  # the goodbye asks who is connected, too
            raise KeyboardInterrupt
        return self._connected()

    def _run(self, link: "SuperLink", others: "list[Running]") -> None:
        try:
            while not self.is_done and not self._stopping.is_set():
                self._run_once(link, others)
        except KeyboardInterrupt:
            pass  # the one in whose thread it was raised says so
        except Exception as error:
            _explain(error, self.say)
        finally:
            self.makes_rounds = False

    def _run_once(self, link: "SuperLink", others: "list[Running]") -> None:
        """Make rounds until the study is finished, or a person pauses it."""
        from medfl_server.rounds.app import build_app
        from medfl_server.rounds.paused import PausedError
        from medfl_server.superlink.task_signer import TaskSigner

        if not self._may_begin():
            return
        app = build_app(
            self.study, self.roster, self.connected_sites, self.say, lambda progress: None,
            signer=TaskSigner(self.study.folder), others_run=lambda: self.may_wait(others),
        )  # fmt: skip
        try:
            link.run_app(app)
        except PausedError as paused:
            if not paused.message:  # no person wished it
                raise
            self.makes_rounds = False
            self.say(f"{paused.what}; the other studies go on. {paused.todo}")
            return
        self._report()
        self.is_done = True

    def _report(self) -> None:
        """Write the report as soon as the rounds are made; once."""
        if self.makes_rounds:
            report_study(self.study, self.screen)
            self.makes_rounds = False

    def _may_begin(self) -> bool:
        """Wait while a person wants the study to rest; False: all are to end."""
        wish = wish_in(self.study.folder)
        if wish is not None and self.makes_rounds:
            self.say(f"{wish.in_words}; medfl-server resume {self.study.folder} lets it go on")
        while wish_in(self.study.folder) is not None:
            self.makes_rounds = False
            if self._stopping.wait(LOOK_S):
                return False
        self.makes_rounds = True
        return True

    def may_wait(self, others: "list[Running]") -> bool:
        """Say, at the last word, whether a hospital may still be busy with another study."""
        self._report()
        return not self._stopping.is_set() and any(other.makes_rounds for other in others)
