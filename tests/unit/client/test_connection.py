"""The supervisor of Flower's SuperNode: when it starts another, when it waits."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.unit.client.local_supernode import place_in

from medfl_client.connection import supervisor
from medfl_client.connection.progress import STALLED
from medfl_client.connection.supervisor import LOG_BYTES, SuperNode, put_aside
from medfl_client.connection.way import Route
from medfl_sim.local.deployment import wait_until

CHILD = """\
import sys, time
with open(sys.argv[1], "a") as starts: starts.write("x")
time.sleep({before})
print({said!r}, flush=True)
time.sleep({after})
"""


@contextmanager
def supervised(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *looks: str | None, **child: object
) -> Iterator[tuple[SuperNode, list[str], Callable[[], int]]]:
    """Supervise a program that behaves as told; give what was said and how often it started."""
    script = CHILD.format(**{"before": 0, "said": "SuperNode ID: 1", "after": 600, **child})
    starts, said = folder / "starts", list[str]()
    command = [sys.executable, "-I", "-S", "-c", script, str(starts)]
    found = iter(looks)  # then no fault any more
    monkeypatch.setattr(supervisor, "look", lambda route: next(found, None))
    monkeypatch.setattr(supervisor, "trust", lambda ca: None)
    monkeypatch.setattr(supervisor, "_command", lambda route, place: command)
    monkeypatch.setattr(supervisor, "PAUSE_S", 0.05)
    route = Route("localhost:1", folder / "ca.crt", folder / "identity.key", "lines")
    supernode = SuperNode(route, place_in(folder), folder / "supernode.log", said.append)
    supernode.start()
    yield supernode, said, lambda: len(starts.read_text()) if starts.exists() else 0
    supernode.close()


def test_a_supernode_that_is_slow_to_start_is_given_more_time_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "JOIN_S", 1.0)

    with supervised(tmp_path, monkeypatch, before=2.5) as (_, said, n_starts):
        wait_until(lambda: "connected to" in str(said), 60, "the connection")

    assert 2 <= n_starts() <= 5  # 1 s and 2 s were too short
    assert "the SuperNode was not connected after 1 s; starting it again and waiting" in said[0]


def test_a_supernode_that_waits_for_what_will_not_come_is_ended_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with supervised(tmp_path, monkeypatch) as (supernode, said, n_starts):
        wait_until(lambda: len(said) == 1, 60, "the connection")

        supernode.renew("no byte came")

        wait_until(lambda: len(said) == 3, 60, "the next connection")
        assert n_starts() == 2
    assert said[1] == "no byte came"


def test_a_supernode_that_keeps_half_of_a_message_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "SuperNode ID: 1\nRun ID 7 is not in `RUNNING` status. Ignoring message b6b8."

    with supervised(tmp_path, monkeypatch, said=text) as (_, said, n_starts):
        wait_until(lambda: n_starts() == 2, 60, "the next connection")

    assert said[1] == "the coordinator rested before a message was here; connecting again"


def test_a_socket_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "RuntimeError: SuperNode Runtime HTTP API failed to start."

    with supervised(tmp_path, monkeypatch, said=text, after=0) as (_, said, _):
        wait_until(lambda: bool(said), 60, "a line")

    assert said == [f"the SuperNode cannot use its socket in {tmp_path}; see supernode.log there; "
                    "trying again"]  # fmt: skip


def test_a_request_that_stood_still_is_told_and_the_connection_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"SuperNode ID: 1\n{STALLED}"

    with supervised(tmp_path, monkeypatch, said=text) as (_, said, n_starts):
        wait_until(lambda: len(said) == 2, 60, "a second line")
        assert n_starts() == 1

    assert said[1] == "the bytes of a request stopped for 30 s; it is tried again"


def test_a_fault_that_is_gone_at_the_second_look_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with supervised(tmp_path, monkeypatch, "the clock is wrong", None) as (_, said, _):
        wait_until(lambda: bool(said), 60, "a line")
    assert said == ["connected to the coordinator; waiting for tasks"]

    with supervised(tmp_path, monkeypatch, "away", "away") as (_, said, _):
        wait_until(lambda: len(said) == 2, 60, "two lines")
    assert said[0] == "away; trying again until it works"


def test_a_large_log_of_the_supernode_is_put_aside_and_one_old_one_is_kept(tmp_path: Path) -> None:
    log, old = tmp_path / "supernode.log", tmp_path / "supernode.log.1"
    put_aside(log)  # none yet
    for letter in (b"a", b"b"):
        log.write_bytes(letter * (LOG_BYTES + 1))
        put_aside(log)
        assert not log.exists()
        assert old.read_bytes()[:1] == letter

    log.write_bytes(b"c" * LOG_BYTES)
    put_aside(log)

    assert log.stat().st_size == LOG_BYTES
    assert len([*tmp_path.iterdir()]) == 2
