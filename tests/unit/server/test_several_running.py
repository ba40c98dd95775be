"""One of several studies in a coordinator's process: it rests, goes on, fails and ends alone."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flwr.serverapp import ServerApp
from tests.conftest import MakePlan
from tests.unit.client.test_approvals import Said
from tests.unit.several_studies import Coordinator
from typer.testing import CliRunner

from medfl_common.errors import RunError
from medfl_common.files import locked
from medfl_server.cli import app
from medfl_server.commands import several
from medfl_server.commands.several import Running
from medfl_server.rounds.paused import PausedError
from medfl_server.study.pause_wish import wish_in, wish_pause
from medfl_server.study.run_directory import open_study


class Link:
    """Runs what it is told to in place of the round loop, which other tests have."""

    def __init__(self, *loops: Callable[[], None]) -> None:
        self.loops = [*loops]
        self.n_runs = 0

    def run_app(self, app: ServerApp) -> None:
        self.n_runs += 1
        self.loops.pop(0)()


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path, make_plan: MakePlan) -> Iterator[Path]:
    folder = Coordinator(tmp_path / "coordinator", make_plan).folder / "lungs"
    with locked(folder):
        yield folder


def running(folder: Path, link: Link) -> tuple[Running, list[str]]:
    one, said = Running(open_study(folder)), Said()
    one.say = said.say
    one.start(link, [])  # type: ignore[arg-type]
    return one, said.lines


def test_a_study_that_a_person_pauses_rests_alone_and_goes_on_at_resume(folder: Path) -> None:
    def pause() -> None:
        wish_pause(folder, "back on Monday", is_now=True)
        paused = PausedError("after round 1: paused")
        paused.message = "back on Monday"
        raise paused

    went_on = threading.Event()

    def go_on() -> None:
        went_on.set()
        raise RunError("enough")

    link = Link(pause, go_on)
    one, said = running(folder, link)
    until(lambda: bool(said) and not one.makes_rounds)
    assert "the other studies go on" in said[0]
    assert (link.n_runs, one.thread.is_alive()) == (1, True)

    done = CliRunner().invoke(app, ["resume", str(folder)])

    assert done.exit_code == 0, done.output
    assert "the coordinator that runs goes on with it" in " ".join(done.output.split())
    assert went_on.wait(60)
    assert wish_in(folder) is None
    one.thread.join(60)
    assert any("enough" in line for line in said)
    assert not one.is_done


def test_the_fault_of_one_study_is_said_and_kept_to_it(folder: Path) -> None:
    def fault() -> None:
        raise ValueError("unforeseen")

    one, said = running(folder, Link(fault))
    one.thread.join(60)

    assert (one.is_done, one.makes_rounds) == (False, False)
    assert "ValueError: unforeseen" in said[-1]


def test_a_study_without_enough_hospitals_does_not_begin_and_says_why(folder: Path) -> None:
    one, said = Running(open_study(folder)), Said()
    one.say = said.say

    assert not one.is_ready(8443)

    assert "medfl:" in said.text


def test_who_stops_the_coordinator_ends_a_loop_once_and_lets_it_say_goodbye(folder: Path) -> None:
    present: list[object] = []

    def loop() -> None:
        try:
            while True:
                one.connected_sites()
                time.sleep(0.01)
        except KeyboardInterrupt:
            present.append(one.connected_sites())
            raise

    one = Running(open_study(folder))
    one.start(Link(loop), [])  # type: ignore[arg-type]

    one.stop()

    one.thread.join(60)
    assert present == [{}]


def test_the_last_word_waits_for_hospitals_that_another_study_keeps_busy(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[str] = []
    monkeypatch.setattr(several, "report_study", lambda study, screen: reported.append("lungs"))
    one, other = Running(open_study(folder)), Running(open_study(folder.parent / "hearts"))

    assert one.may_wait([other])
    assert not one.makes_rounds
    other.makes_rounds = False
    assert not one.may_wait([other])
    assert reported == ["lungs"]  # at once, not when the others have ended
