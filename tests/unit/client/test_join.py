"""medfl-client join against a port of its own: what is found, kept, sent, and said."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from tests.conftest import MakePlan
from tests.unit.server.join_desks import Desk, flower
from typer.testing import CliRunner

from medfl_client.cli import app
from medfl_client.commands.run import free_port
from medfl_client.config.site_file import load_site_file
from medfl_client.egress.approvals import approved
from medfl_common.ops.invitation import Invitation, read_invitation, write_invitation
from medfl_common.plan.plan import load_plan
from medfl_common.run.folder import RunFolder
from medfl_server.roster.enrolment import read_roster
from medfl_server.roster.invitations import invite, waiting
from medfl_server.study.run_directory import create_study
from medfl_server.superlink.asgi import Receive, Scope, Send, answer
from medfl_server.superlink.bell import Bell
from medfl_server.superlink.join_desk import JoinDesk
from medfl_server.superlink.listener import FleetOnly
from medfl_server.superlink.port import PortLoop, bind, uvicorn_config


async def healthy(scope: Scope, receive: Receive, send: Send) -> None:
    await (answer(send, 200) if scope.get("path") == "/health" else flower(scope, receive, send))


class Coordinator(Desk):
    """A desk behind a real port, which may be up or down."""

    port = 0
    _server: uvicorn.Server | None = None

    def open(self) -> None:
        face = FleetOnly(JoinDesk(healthy, self.joining), Bell(), knows=lambda scope: False)
        made = RunFolder(self.folder)
        self._server = uvicorn.Server(
            uvicorn_config(face, made.server_certificate, made.server_key)
        )
        self._socket = bind("127.0.0.1", self.port)
        self._thread = threading.Thread(target=self._serve, args=(self._server,))
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)

    def _serve(self, server: uvicorn.Server) -> None:
        with asyncio.Runner(loop_factory=PortLoop) as runner:
            runner.run(server.serve(sockets=[self._socket]))

    def close(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._thread.join(10)
            self._socket.close()

    def write(self, path: Path, site: str = "north", auto_admit: bool = False) -> Path:
        code, ends = invite(self.folder, site, 14, auto_admit, "anna")
        made = RunFolder(self.folder)
        write_invitation(
            path,
            Invitation(
                medfl_invitation=1, study="small", site=site, address=f"localhost:{self.port}",
                ends=ends, code=code, ca=made.ca.read_text(), plan=made.plan_file.read_text(),
            ),
        )  # fmt: skip
        return path


@pytest.fixture
def coordinator(
    tmp_path: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Coordinator]:
    found = Coordinator(create_study(tmp_path / "study", make_plan()), tmp_path / "machines")
    found.port = free_port()
    empty = tmp_path / "here"  # the command looks for data where it is typed, too
    empty.mkdir()
    monkeypatch.chdir(empty)
    yield found
    found.close()


def type_(*words: object, answers: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(app, [*map(str, words)], input=answers, env={"COLUMNS": "400"})
    return done.exit_code, done.output


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_hospital_joins_approves_and_is_ready_to_run(
    coordinator: Coordinator, hospitals: Path
) -> None:
    file, site = coordinator.write(hospitals / "n.medfl-invite"), hospitals / "site-1"
    (site / "site.yaml").unlink()
    coordinator.open()

    status, said = type_("join", file, site, answers="\n\n\n\n")

    assert status == 0, said
    for question in ("Folder with the DICOM files [dicom]:", "Label file, a CSV [labels.csv]:"):
        assert question in said
    shown = waiting(coordinator.folder)["north"].fingerprint
    assert f"fingerprint of your keys: {shown}" in said
    assert "nothing of your data" in said
    assert f"next: medfl-client approve {site}, then medfl-client run {site}" in said
    assert read_invitation(file).code not in said
    found = load_site_file(site)
    assert found.site == "north"
    assert found.server is not None
    assert found.server.address == f"localhost:{coordinator.port}"
    assert type_("approve", site, "--yes")[0] == 0
    (record,) = approved(site / "state")
    assert record.plan == coordinator.study.plan.hash()


def test_a_coordinator_that_is_not_up_is_told_and_joining_again_goes_on(
    coordinator: Coordinator, hospitals: Path
) -> None:
    file = coordinator.write(hospitals / "n.medfl-invite", auto_admit=True)
    site = hospitals / "new"

    status, said = type_("join", file, site, "--yes")

    assert status == 1
    assert "nothing listens on port" in said
    assert "not joined yet; nothing was sent, and all files in" in said
    assert "labels.csv is not there yet" in said
    with (site / "site.yaml").open("a") as text:
        text.write("# edited by hand\n")
    before = kept(site)
    coordinator.open()
    for _ in range(2):  # and once more, as after an answer that was lost
        status, said = type_("join", file, site, "--yes")
        assert status == 0, said
        assert "north is enrolled in small" in said

    assert kept(site) == before
    assert list(read_roster(coordinator.folder)) == ["north"]


def test_a_copied_invitation_is_refused_in_words_and_harms_nobody(
    coordinator: Coordinator, hospitals: Path
) -> None:
    file = coordinator.write(hospitals / "n.medfl-invite", auto_admit=True)
    coordinator.open()
    type_("join", file, hospitals / "own", "--yes")

    status, said = type_("join", file, hospitals / "thief", "--yes")

    assert status == 1
    assert "this invitation was used with other keys than those here (MEDFL-E500)" in said
    assert "somebody has copied the file: tell the coordinator by telephone" in said
    (place,) = read_roster(coordinator.folder).values()
    assert place.fingerprint in type_("join", file, hospitals / "own", "--yes")[1]


def test_an_invitation_changed_on_its_way_does_not_join(
    coordinator: Coordinator, hospitals: Path, tmp_path: Path, make_plan: MakePlan
) -> None:
    file = coordinator.write(hospitals / "n.medfl-invite")
    other = Coordinator(create_study(tmp_path / "other", make_plan()), tmp_path / "machines")
    coordinator.open()
    changed = read_invitation(file).model_copy(
        update={"ca": RunFolder(other.folder).ca.read_text()}
    )
    write_invitation(hospitals / "changed", changed)

    status, said = type_("join", hospitals / "changed", hospitals / "new", "--yes")

    assert status == 1
    assert "the coordinator's certificate is not signed by" in said
    assert "nothing was sent" in said
    assert waiting(coordinator.folder) == {}


def test_a_directory_of_another_study_is_left_as_it_is(
    coordinator: Coordinator, hospitals: Path, tmp_path: Path, make_plan: MakePlan
) -> None:
    file, site = coordinator.write(hospitals / "n.medfl-invite"), hospitals / "mine"
    other = Coordinator(create_study(tmp_path / "other", make_plan()), tmp_path / "machines")
    other.port = coordinator.port
    coordinator.open()
    type_("join", file, site, "--yes")
    before = kept(site)
    for changed, said in (
        (other.write(hospitals / "other"), "is of another study than the invitation"),
        (coordinator.write(hospitals / "south", "south"), "the invitation is for south"),
    ):
        status, told = type_("join", changed, site, "--yes")
        assert (status, said in told, kept(site) == before) == (1, True, True), told

    (site / "plan.yaml").write_text(make_plan(training={"lr": 0.5}).read_text())
    status, told = type_("join", file, site, "--yes")
    assert (status, "has the hash" in told) == (1, True)


def test_the_plan_of_the_invitation_is_the_one_that_is_approved(
    coordinator: Coordinator, hospitals: Path
) -> None:
    file, site = coordinator.write(hospitals / "n.medfl-invite"), hospitals / "new"
    type_("join", file, site, "--yes")

    assert load_plan(site / "plan.yaml").hash() == coordinator.study.plan.hash()
    assert "hash " + coordinator.study.plan.hash()[:12] in type_("approve", site, answers="n\n")[1]
