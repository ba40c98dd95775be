"""Several studies below one directory: one authority, one port, and a roster for each."""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from flwr.app import Message, RecordDict
from flwr.serverapp import Grid, ServerApp
from tests.conftest import MakePlan
from tests.unit.server.join_desks import refused
from tests.unit.several_studies import STUDIES, Coordinator
from typer.testing import CliRunner

from medfl_client.commands.run import free_port
from medfl_client.config.identity import create_identity, signing_key, transport_key
from medfl_common.errors import ConfigError
from medfl_common.run.folder import RunFolder
from medfl_common.wire.joining import JoinAnswer, sign_request
from medfl_server.cli import app
from medfl_server.roster.certificates import have_one_authority
from medfl_server.roster.enrolment import Enrolled, Roster, read_roster
from medfl_server.roster.invitations import invite
from medfl_server.roster.study_key import read_study_key
from medfl_server.study.coordinator import open_studies, refuse_alike
from medfl_server.superlink.join_desk import Joining, at_its_study
from medfl_server.superlink.listener import Listener
from medfl_server.superlink.places import Hospitals, Places
from medfl_server.superlink.superlink import SuperLink


def type_(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "400"})
    return done.exit_code, done.output


@pytest.fixture
def coordinator(tmp_path: Path, make_plan: MakePlan) -> Coordinator:
    return Coordinator(tmp_path / "coordinator", make_plan)


def test_studies_share_the_authority_and_have_a_study_key_each(coordinator: Coordinator) -> None:
    folders = [coordinator.folder / name for name in STUDIES]

    assert [study.plan.study for study in open_studies(coordinator.folder)] == ["hearts", "lungs"]
    assert all(have_one_authority(coordinator.folder, folder) for folder in folders)
    first, second = (read_study_key(folder)[0].public_key() for folder in folders)
    assert first != second
    for folder in folders:
        made = RunFolder(folder)
        assert made.ca_key == RunFolder(coordinator.folder).ca_key
        assert not (made.tls / "ca.key").exists()
    status, said = type_("renew", folders[0], "--host", "fl.example.org")
    assert status == 0, said
    status, said = type_("renew", coordinator.folder)
    assert status == 0, said
    status, said = type_("invite", folders[1], "north", "--out", coordinator.folder / "n")
    assert status == 0, said
    assert "joins hearts at fl.example.org:8443" in said


def test_what_init_cannot_make_is_said(coordinator: Coordinator, make_plan: MakePlan) -> None:
    plan, new = make_plan(), coordinator.folder / "new"
    for words, said in (
        ((coordinator.folder,), "init needs --plan for a study"),
        ((new, "--plan", plan, "--like", coordinator.folder / "lungs"), "--like makes a coord"),
        ((new, "--plan", plan, "--host", "elsewhere.org"), "is for localhost, 127.0.0.1"),
        ((coordinator.folder.parent / "alone", "--plan", plan), "needs --host"),
        ((coordinator.folder / "lungs" / "in-a-study", "--plan", plan), "needs --host"),
        ((coordinator.folder, "--host", "localhost"), "has an authority already"),
        ((coordinator.folder, "--plan", plan, "--host", "localhost"), "is for several studies"),
    ):
        status, told = type_("init", *words)
        assert (status, said in told) == (1, True), told


def test_init_takes_no_authority_from_the_studies_below_it(
    coordinator: Coordinator, make_plan: MakePlan
) -> None:
    made = RunFolder(coordinator.folder)
    before = [path.read_bytes() for path in (made.ca, made.ca_key, made.server_certificate)]

    type_("init", coordinator.folder, "--plan", make_plan(), "--host", "localhost")

    assert [p.read_bytes() for p in (made.ca, made.ca_key, made.server_certificate)] == before
    assert len(open_studies(coordinator.folder)) == 2


def test_init_refuses_the_name_of_a_study_beside_it(coordinator: Coordinator) -> None:
    plan = RunFolder(coordinator.folder / "hearts").plan_file
    broken = coordinator.folder / "broken"
    shutil.copytree(coordinator.folder / "lungs", broken)
    RunFolder(broken).plan_file.write_text("no plan")

    status, said = type_("init", coordinator.folder / "again", "--plan", plan)

    assert (status, "is called hearts" in said) == (1, True), said
    assert not (coordinator.folder / "again").exists()


def test_an_init_that_was_cut_off_is_made_again(
    tmp_path: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*words: object) -> None:
        raise OSError(28, "No space left on device", "tls")

    words = ("init", tmp_path / "study", "--plan", make_plan(), "--host", "localhost")
    with monkeypatch.context() as patch:
        patch.setattr("medfl_server.commands.init_study.create_authority", cut)
        assert type_(*words)[0] == 1

    status, said = type_(*words)

    assert status == 0, said
    assert type_("invite", tmp_path / "study", "north", "--out", tmp_path / "n")[0] == 0


def test_a_broken_study_keeps_no_other_from_running(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[str] = []
    plan = RunFolder(coordinator.folder / "lungs").plan_file
    plan.write_text(plan.read_text() + "seed: 5\n")
    monkeypatch.setattr(
        "medfl_server.commands.several._serve",
        lambda folder, studies, broken, *rest: served.extend(
            [*(study.plan.study for study in studies), *(f"not {path.name}" for path in broken)]
        ),
    )

    status, said = type_("run", coordinator.folder)

    assert (status, served) == (0, ["hearts", "not lungs"]), said
    assert "lungs: medfl: " in said


def test_a_study_that_ran_alone_gets_others_beside_it(tmp_path: Path, make_plan: MakePlan) -> None:
    alone, several = tmp_path / "alone", tmp_path / "several"
    type_("init", alone, "--plan", make_plan(), "--host", "localhost")

    status, said = type_("init", several, "--like", alone)

    assert status == 0, said
    alone.rename(several / "first")
    plan = make_plan("b.yaml")
    plan.write_text(plan.read_text().replace("study: small", "study: second"))
    status, said = type_("init", several / "second", "--plan", plan)
    assert status == 0, said
    assert f"then: medfl-server run {several};" in said
    assert [study.plan.study for study in open_studies(several)] == ["small", "second"]


def test_a_study_with_another_authority_a_name_or_a_study_key_twice_does_not_run_here(
    coordinator: Coordinator, tmp_path: Path, make_plan: MakePlan
) -> None:
    shutil.copytree(coordinator.folder / "lungs", coordinator.folder / "copy")
    with pytest.raises(ConfigError, match="are both called lungs"):
        refuse_alike(open_studies(coordinator.folder))
    shutil.rmtree(coordinator.folder / "copy")
    refuse_alike(open_studies(coordinator.folder))
    lungs, hearts = (RunFolder(coordinator.folder / name) for name in STUDIES)
    shutil.copy(lungs.study_certificate, hearts.study_certificate)
    with pytest.raises(ConfigError, match="have one study key"):
        refuse_alike(open_studies(coordinator.folder))
    type_("init", tmp_path / "alone", "--plan", make_plan(), "--host", "localhost")
    (tmp_path / "alone").rename(coordinator.folder / "alone")

    with pytest.raises(ConfigError, match="has another authority"):
        open_studies(coordinator.folder)


def test_a_request_to_join_is_decided_by_the_study_whose_invitation_it_is(
    coordinator: Coordinator, tmp_path: Path
) -> None:
    folders = [coordinator.folder / name for name in STUDIES]
    said: list[str] = []
    take = at_its_study([Joining(folder, said.append) for folder in folders])
    code, _ = invite(folders[1], "north", 14, True, "anna")
    lines = [" ".join(x.split()[:2]) for x in create_identity(tmp_path / "north", "north")]
    ca = x509.load_pem_x509_certificate(RunFolder(folders[1]).ca.read_bytes())

    def ask(code: str) -> JoinAnswer:
        pair = transport_key(tmp_path / "north"), signing_key(tmp_path / "north")
        authority = ca.fingerprint(hashes.SHA256())
        request = sign_request(code, "north", authority, *pair, (lines[0], lines[1]))
        return take(request, "192.0.2.1")

    assert ask(code).state == "enrolled"

    assert [[*read_roster(folder)] for folder in folders] == [[], ["north"]]
    assert ask("x" * 43) == refused("unknown")
    assert take(b"nothing", "192.0.2.1") == refused("unreadable")


class Port:
    """Numbers keys, as Flower does."""

    def __init__(self) -> None:
        self.open: dict[int, str] = {}
        self._next = 0

    def enter(self, line: str) -> int:
        assert line not in self.open.values()
        self._next += 1
        self.open[self._next] = line
        return self._next

    def put_out(self, node: int) -> None:
        del self.open[node]


def test_a_hospital_that_one_study_revokes_stays_connected_for_another() -> None:
    port, said = Port(), list[str]()
    lungs: Roster = {"north": Enrolled("key n", "s"), "south": Enrolled("key s", "s")}
    hearts: Roster = {"north": Enrolled("key n", "s")}
    places = Places(port.enter, port.put_out)
    first, second = (Hospitals(lambda r=r: r, said.append) for r in (lungs, hearts))  # type: ignore[misc]
    for study in (first, second):
        places.add(study)
    node = places.nodes(second)["north"]
    assert sorted(port.open.values()) == ["key n", "key s"]

    del lungs["north"], lungs["south"]
    places.follow()

    assert (places.nodes(first), places.nodes(second)) == ({}, {"north": node})
    assert port.open == {node: "key n"}
    assert places.whose(node) == (second, "north", hearts["north"])
    del hearts["north"]
    places.follow()
    assert port.open == {}
    assert places.whose(node) is None
    assert len(said) == 3


@pytest.fixture
def link(coordinator: Coordinator) -> Iterator[SuperLink]:
    made = RunFolder(coordinator.folder)
    listener = Listener("127.0.0.1", 0, made.server_certificate, made.server_key)
    found = SuperLink(dict, listener, lambda line: None)
    yield found
    found._socket.close()


def test_each_studys_messages_belong_to_its_own_run_though_both_share_a_process(
    link: SuperLink, coordinator: Coordinator, tmp_path: Path
) -> None:
    lines = [" ".join(x.split()[:2]) for x in create_identity(tmp_path / "north", "north")]
    roster = {"north": Enrolled(lines[0], lines[1])}
    link.also(lambda: roster, lambda line: None)
    (node,) = link._state.nodes
    link._state.activate_node(node, 1800.0)
    both = threading.Barrier(2, timeout=60)
    runs: dict[str, int] = {}
    left: dict[str, bool] = {}

    def study(name: str) -> ServerApp:
        found = ServerApp()

        @found.main()
        def main(grid: Grid, context: object) -> None:
            both.wait()  # the other has started its run, too
            message = Message(RecordDict(), node, "train", ttl=60.0, group_id=name)
            (asked,) = grid.push_messages([message])
            runs[name] = link._state.message_ins_store[asked].metadata.run_id
            both.wait()
            left[name] = not list(grid.pull_messages([asked]))

        return found

    threads = [threading.Thread(target=link.run_app, args=(study(name),)) for name in STUDIES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert left == dict.fromkeys(STUDIES, True)
    assert len({*runs.values()}) == 2
    assert link._state.message_ins_store == {}


def test_doctor_looks_at_every_study_and_names_none_to_others(coordinator: Coordinator) -> None:
    _, said = type_("doctor", coordinator.folder, "--port", free_port())
    _, public = type_("doctor", coordinator.folder, "--port", free_port(), "--json")

    assert "hearts: run log" in said
    assert "lungs: run log" in said
    checks = [row["check"] for row in json.loads(public)["checks"]]
    assert {"<study 1>: run log", "<study 2>: run log"} <= {*checks}
    assert not any(name in public for name in STUDIES)
