"""One of several studies that a coordinator's process runs: a thread with its round loop."""

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from medfl_common.errors import MedflError
from medfl_common.files import locked
from medfl_common.ui.screen import Screen, for_people, lines_of
from medfl_server.commands.run import names_of, report_study, say_keys
from medfl_server.roster.enrolment import LiveRoster
from medfl_server.study.pause_wish import wish_in
from medfl_server.study.run_directory import Study

if TYPE_CHECKING:
    from medfl_server.superlink.superlink import SuperLink
    from medfl_server.superlink.transport import ConnectedSite


class OwnLines(Screen):
    """A screen whose lines say which study they are of."""

    def __init__(self, study: str) -> None:
        super().__init__()
        self._study = study

    def say(self, line: str) -> None:
        """Print one line."""
        super().say(f"{self._study}: {line}")

    def explain(self, error: Exception) -> None:
        """Say what went wrong with the study; what nobody foresaw with its traceback."""
        told = for_people(error)
        for line in lines_of(told) if told else ["".join(traceback.format_exception(error))]:
            self.say(line)


class Running:
    """One of several studies that this process runs, until it ends or a person pauses it."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.screen = OwnLines(study.plan.study)
        self.roster = LiveRoster(study.folder)
        self.is_done = False
        self.rests = False  # a person has paused it, here or before it began
        self.makes_rounds = False  # from its start until it says goodbye for good
        self._stopping, self._leaving = threading.Event(), threading.Event()
        self._held = ExitStack()
        self._has_heard = False
        self._connected: Callable[[], Mapping[str, ConnectedSite]] = dict
        self._thread = threading.Thread()

    def say(self, line: str) -> None:
        """Say a line of this study."""
        self.screen.say(line)

    def connect(self, connected_sites: "Callable[[], Mapping[str, ConnectedSite]]") -> None:
        """Take what lists the connected sites of this study."""
        self._connected = connected_sites

    def is_ready(self, port: int) -> bool:
        """Say who may come, or why the study cannot begin."""
        try:
            names = names_of(self.study, self.roster())
            say_keys(self.study, self.screen)
        except MedflError as error:
            self.screen.explain(error)
            return False
        self.say(f"listening on port {port} for {', '.join(names)}")
        return True

    def start(self, link: "SuperLink", others: "Sequence[Running]") -> None:
        """Run it in a thread, among others; raises RunError where another process has it.

        The directory is free again when the study rests or is finished, so that `extend` and
        `amend` can change it.
        """
        self._held.enter_context(locked(self.study.folder))
        self.makes_rounds = True
        self._thread = threading.Thread(
            target=self._run, args=(link, others), name=self.study.plan.study, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Have it say goodbye and end; a thread gets no signal."""
        self._stopping.set()

    def leave(self) -> None:
        """Have a finished study wait no longer for hospitals that have not heard it."""
        self._leaving.set()

    def is_running(self) -> bool:
        """Say whether the study's thread is there."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait for the end of its thread."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def may_go_on(self) -> bool:
        """Say whether the study rests, and nobody wants that any more."""
        is_resting = self.rests and not self.is_running()
        return is_resting and wish_in(self.study.folder) is None

    def connected_sites(self) -> "Mapping[str, ConnectedSite]":
        """List the connected sites, which a loop does all the time; raises where it is to end."""
        if self._stopping.is_set() and not self._has_heard:
            self._has_heard = True  # the goodbye asks who is connected, too
            raise KeyboardInterrupt
        return self._connected()

    def _run(self, link: "SuperLink", others: "Sequence[Running]") -> None:
        with self._held:
            try:
                self._make_rounds(link, others)
            except KeyboardInterrupt:
                pass  # the one in whose thread it was raised says so
            except Exception as error:
                self.screen.explain(error)
            finally:
                self.makes_rounds = False

    def _make_rounds(self, link: "SuperLink", others: "Sequence[Running]") -> None:
        """Make rounds until the study is finished, or a person pauses it."""
        from medfl_server.rounds.app import build_app
        from medfl_server.rounds.paused import PausedError
        from medfl_server.superlink.task_signer import TaskSigner

        app = build_app(
            self.study, self.roster, self.connected_sites, self.say, lambda progress: None,
            signer=TaskSigner(self.study.folder), others_run=lambda: self.may_wait(others),
        )  # fmt: skip
        try:
            link.run_app(app)
        except PausedError as paused:
            if not paused.message:  # no person wished it
                raise
            self.rests = True
            self.say(f"{paused.what}; the other studies go on. {paused.todo}")
            return
        self._report()

    def _report(self) -> None:
        """Write the report as soon as the rounds are made; once."""
        if not self.is_done:
            report_study(self.study, self.screen)
            self.is_done, self.makes_rounds = True, False
            self._held.close()

    def may_wait(self, others: "Sequence[Running]") -> bool:
        """Say, at the last word, whether a hospital may still be busy with another study."""
        self._report()
        is_wanted = not (self._stopping.is_set() or self._leaving.is_set())
        return is_wanted and any(other.makes_rounds for other in others if other is not self)
