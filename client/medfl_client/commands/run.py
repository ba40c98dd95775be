"""`medfl-client run`: a SuperNode under supervision and the warm executor, in two processes."""

import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from medfl_client.config.folder import PRIVATE, SiteFolder, StateFolder, home_of
from medfl_client.config.hours import OpenHours
from medfl_client.config.identity import public_lines
from medfl_client.config.site_file import SiteFile, load_site_file
from medfl_client.config.studies import CUT, states_of, study_folders
from medfl_client.connection.meeting_place import MeetingPlace, prepare_place
from medfl_client.connection.proxy import find_proxy, forget_proxies
from medfl_client.connection.supervisor import SuperNode, Tell
from medfl_client.connection.way import Route
from medfl_client.egress.approvals import last_approved, read_records
from medfl_client.egress.ending import has_finished
from medfl_common.errors import ConfigError
from medfl_common.files import locked, temporary_folder, write_private
from medfl_common.ui.screen import Screen, log_to

if TYPE_CHECKING:
    from flwr.app import Context, RecordDict

    from medfl_client.task.addressee import Addressee

CONFIRM_S = 2.0  # for the last answer to reach the coordinator
STOP_S = 7.0  # from the first signal to the end of the process
WITHDRAWN = "a study was left; connecting again, so that nothing of it is still on its way"


def participate(folder: Path, screen: Screen, metrics_port: int | None = None) -> None:
    """Answer the coordinator's tasks until SIGTERM or Ctrl-C; raises RunError if one runs here.

    One client takes the tasks of all studies of a hospital: it has one connection.
    """
    folder = home_of(folder)
    site_file = load_site_file(folder)
    if site_file.server is None:
        raise ConfigError(
            f"{SiteFolder(folder).site_file} names no server",
            todo=f"run medfl-client init {folder} --server HOST:PORT --ca ca.crt",
        )
    temporary_folder()  # or each task would fail
    files = StateFolder.of(folder)
    state = files.path
    state.mkdir(exist_ok=True, mode=0o700)
    route = Route(
        site_file.server.address,
        folder / site_file.server.ca,
        folder / PRIVATE,
        "\n  ".join(public_lines(folder)),
        find_proxy(site_file.network, folder, os.environ, site_file.server.address),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C does
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a connection that broke is nobody's wish
    _end_in_time()
    with _told_of_withdrawal(folder), locked(state):  # one client on this directory and key
        if metrics_port is not None:
            from medfl_client.audit.prometheus import LedgerMonitor
            from medfl_common.ops.prometheus import serve_metrics

            serve_metrics(LedgerMonitor(*states_of(state)), metrics_port)
        forget_proxies(os.environ)
        os.environ["FLWR_HOME"] = str(files.flower_home.resolve())
        secret = secrets.token_bytes(32)
        write_private(files.executor_key, secret)
        place = prepare_place(files, secret, files.executor_key)
        supernode = SuperNode(route, place, files.supernode_log, screen.say)
        signal.signal(CUT, lambda *_: supernode.renew(WITHDRAWN))
        supernode.start()
        try:
            _serve(folder, site_file, place, supernode, screen)
        finally:
            supernode.close()


@contextmanager
def _told_of_withdrawal(folder: Path) -> Iterator[None]:
    """Say at the end why it came, where `medfl-client withdraw` has ended this client."""
    began = time.time()
    try:
        yield
    except KeyboardInterrupt:
        records = read_records(SiteFolder(folder).state)
        left = [r.study for r in records if r.action == "withdraw" and r.time >= began]
        if left and len(study_folders(folder)) == 1:  # of several it goes on for the others
            studies = ", ".join(dict.fromkeys(left))
            raise KeyboardInterrupt(
                f"stopped, because this hospital has withdrawn from {studies}; nothing more leaves "
                "for it. medfl-client approve undoes it"
            ) from None
        raise


def _serve(
    folder: Path, site_file: SiteFile, place: MeetingPlace, supernode: SuperNode, screen: Screen
) -> None:
    """Import torch and Flower while the SuperNode connects, then work."""
    from medfl_client.connection.executor import serve
    from medfl_client.task.addressee import OwnStudies
    from medfl_client.task.app import build_app

    log_to(StateFolder.of(folder).flower_log)
    farewell = _Farewell(screen.say, supernode.rest, OpenHours(site_file.policy.hours, screen.say))
    studies = OwnStudies(folder, screen.watch, farewell.teller)
    site, others = studies.all[0].site, study_folders(folder)[1:]
    named = f", also in {', '.join(one.name for one in others)}" if others else ""
    screen.say(f"{site_file.site} is ready on {site.device}{named}; Ctrl-C stops")

    def find(content: "RecordDict", context: "Context") -> "Addressee":
        to = studies.find(content)
        farewell.note_asked(to.site.state)
        return to

    def takes_tasks() -> bool:
        is_open = farewell.is_open()
        if is_open:
            studies.read_ahead()
        return is_open

    app = build_app(find)
    with suppress(StudyEnded):
        serve(app, place, takes_tasks, screen.say, supernode.renew)


class StudyEnded(BaseException):
    """The coordinator has said that it asks nothing more."""


class _Farewell:
    """What the coordinator's last words mean for this process: it ends, or it waits in silence.

    It does so once the last of its studies has heard one.
    """

    def __init__(self, say: Tell, rest: Callable[[], None], is_open: Callable[[], bool]) -> None:
        self._say, self._rest, self._is_open = say, rest, is_open
        self._has_ended = False
        # The state of each study -> the coordinator has gone for good; None: the study goes on.
        self._gone: dict[Path | None, bool | None] = {}

    def teller(self, folder: Path) -> Tell:
        """Give what tells a line of a study's work, and knows the last one."""
        from medfl_client.task.farewell import Farewell  # imports Flower

        state = SiteFolder(folder).state
        self._gone[state] = True if has_finished(state) else None

        def tell(line: str) -> None:
            is_last, said = isinstance(line, Farewell), str(line)
            if isinstance(line, Farewell):
                self._gone[state] = line.is_end
                if line.is_end:
                    said += "; this client " + self._what_follows
            self._say(f"{_label(folder)}: {said}" if len(self._gone) > 1 else said)
            if is_last and None not in self._gone.values():
                self._rest()
                self._has_ended = all(self._gone.values())

        return tell

    @property
    def _what_follows(self) -> str:
        return "ends" if all(self._gone.values()) else "goes on for the other studies"

    def note_asked(self, state: Path | None) -> None:
        """Note that a study asks: it has not ended, or goes on."""
        self._gone[state] = None

    def is_open(self) -> bool:
        """Say whether tasks are taken; raises StudyEnded once none will come."""
        if self._has_ended:
            time.sleep(CONFIRM_S)
            raise StudyEnded
        return self._is_open()


def _label(folder: Path) -> str:
    """Name a study in a line: as its directory below the hospital's, or as it was approved."""
    if home_of(folder) != folder:
        return folder.name
    record = last_approved(SiteFolder(folder).state)
    return record.study if record is not None else folder.name


def _end_in_time() -> None:
    """End the process STOP_S seconds after the first signal, whatever it does then.

    Python handles a signal between two of its own steps, and one step of torch or a hanging
    connection may take long. The ledger survives an end at any moment.
    """
    seen, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def watch() -> None:
        while int.from_bytes(os.read(seen, 1)) not in (signal.SIGTERM, signal.SIGINT):
            pass
        time.sleep(STOP_S)
        os._exit(130)

    threading.Thread(target=watch, name="stop", daemon=True).start()


def free_port() -> int:
    """Find a port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
