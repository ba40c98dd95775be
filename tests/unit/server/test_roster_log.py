"""A change of the roster is in the run log, whatever else writes there at the time."""

import json
import multiprocessing
from pathlib import Path

from tests.conftest import MakePlan
from typer.testing import CliRunner

from medfl_client.config.identity import create_identity, replace_identity
from medfl_common.ops.user import user_name
from medfl_common.run.decisions import RosterChanged
from medfl_common.run.events import Event, Paused, Started
from medfl_common.run.folder import RunFolder
from medfl_common.run.log import RunLog
from medfl_server.cli import app
from medfl_server.reports.report import write_report
from medfl_server.roster.certificates import create_authority
from medfl_server.roster.enrolment import LiveRoster
from medfl_server.study.run_directory import Study, create_study
from medfl_server.superlink.listener import Listener
from medfl_server.superlink.superlink import SuperLink

N = 60


def test_who_enrolled_replaced_and_revoked_which_keys_is_in_the_log(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    study, pub = create_study(tmp_path / "run", make_plan()), tmp_path / "north" / "identity.pub"
    create_identity(pub.parent, "north")
    say("enrol", study, "north", pub)
    assert study.log.read(Event) == []  # the study has not begun: a simulation notes its data now
    study.log.add(Started.of(["north"], "ab"))
    study.log.add(Paused.of(0))
    replace_identity(pub.parent, "north")

    say("enrol", study, "north", pub, "--replace")
    say("revoke", study, "north")

    changes = [event.facts for event in study.log.read(RosterChanged)]
    assert [c["change"] for c in changes] == ["enrolled", "keys replaced", "revoked"]
    assert {(c["site"], c["by"]) for c in changes} == {("north", user_name())}
    assert changes[0]["fingerprint"] != changes[1]["fingerprint"] == changes[2]["fingerprint"]
    assert isinstance(study.log.read(Event)[-1], Paused)
    assert "is paused at 0 of" in write_report(study).read_text()


def test_a_running_coordinator_announces_the_change(tmp_path: Path, make_plan: MakePlan) -> None:
    study, pub = create_study(tmp_path / "run", make_plan()), tmp_path / "north" / "identity.pub"
    create_authority(study.folder, "study", "localhost")
    create_identity(pub.parent, "north")
    create_identity(tmp_path / "south", "south")
    say("enrol", study, "south", tmp_path / "south" / "identity.pub")
    said: list[str] = []
    made = RunFolder(study.folder)
    listener = Listener("127.0.0.1", 0, made.server_certificate, made.server_key)
    link = SuperLink(LiveRoster(study.folder), listener, said.append)
    assert said == []

    say("enrol", study, "north", pub)
    link.connected_sites()
    say("revoke", study, "north")
    link.connected_sites()
    link._socket.close()

    assert [line.split(" SHA256")[0] for line in said] == [
        "north is enrolled with",
        "north's keys are revoked; they are refused from now on",
    ]


def test_two_processes_that_write_at_once_lose_no_line_and_tear_none(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(tmp_path, who)) for who in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    for who in "ab":
        found = [line["n"] for line in lines if line["who"] == who]
        assert found == [*range(N)]


def write_many(folder: Path, who: str) -> None:
    for n in range(N):
        log = RunLog(folder)
        log.write("round", who=who, n=n, round=n, filling="x" * 70_000)
        log.take_back_rounds(n - 1)


def say(command: str, study: Study, *words: object) -> None:
    done = CliRunner().invoke(app, [command, str(study.folder), *map(str, words)])
    assert done.exit_code == 0, done.output
