"""The coordinator's commands around an invitation, as they are typed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.server.join_desks import ASKED, ENROLLED, Desk, refused
from typer.testing import CliRunner

from medfl_common.ops.invitation import read_invitation
from medfl_server.cli import app
from medfl_server.roster.enrolment import read_roster
from medfl_server.roster.invitations import expected_sites
from medfl_server.rounds.quorum import wait_for_quorum
from medfl_server.study.run_directory import create_study


@pytest.fixture
def desk(tmp_path: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    return Desk(create_study(tmp_path / "study", make_plan()), tmp_path / "sites")


def type_(*words: object, answer: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(app, [*map(str, words)], input=answer, env={"COLUMNS": "300"})
    return done.exit_code, done.output


def code_of(path: str) -> str:
    return read_invitation(Path(path)).code


def test_an_invitation_is_one_file_with_all_that_a_hospital_needs(desk: Desk) -> None:
    status, said = type_("invite", desk.folder, "north", "--days", 3)

    found = read_invitation(Path("north.medfl-invite"))
    assert status == 0
    assert f"north joins small at localhost:8443, until {found.last_day}" in said
    assert "medfl-client join north.medfl-invite DIR" in said
    assert "send it to north alone" in said
    assert found.code not in said
    assert found.read_plan() == desk.study.plan
    assert found.ca == (desk.folder / "tls" / "ca.crt").read_text()
    assert found.ca.count("BEGIN") == 2  # the authority, and the study key
    assert desk.ask(found.code, "north") == ASKED


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["../x"], "the name '../x' is not allowed"),
        (["north", "--address", "fl.example.org:8443"], "the server's certificate is for"),
        (["north", "--address", "localhost"], "write HOST:PORT"),
        (["north", "--days", "1000"], "write 365 at most"),
        (["north", "--out", "mine.txt"], "mine.txt already"),
    ],
)
def test_an_invitation_that_would_not_work_is_not_written(
    words: list[str], said: str, desk: Desk
) -> None:
    Path("mine.txt").write_text("mine")

    status, told = type_("invite", desk.folder, *words)

    assert status == 1
    assert said in told
    assert Path("mine.txt").read_text() == "mine"
    assert not (desk.folder / "invitations.json").exists()


def test_an_invitation_whose_file_cannot_be_written_ends_no_earlier_one(desk: Desk) -> None:
    type_("invite", desk.folder, "north")

    status, said = type_("invite", desk.folder, "north", "--out", "/proc/north")

    assert (status, "/proc/north" in said) == (1, True), said
    assert desk.ask(code_of("north.medfl-invite"), "north") == ASKED
    assert type_("admit", desk.folder)[1].count("│ north") == 1


def test_admit_without_anybody_to_answer_says_what_to_do(desk: Desk) -> None:
    type_("invite", desk.folder, "north")
    desk.ask(code_of("north.medfl-invite"), "north")

    status, said = type_("admit", desk.folder, "north")

    assert (status, "or add --yes" in said) == (1, True), said
    assert not read_roster(desk.folder)


def test_admit_shows_the_fingerprint_and_enrols_only_after_a_yes(desk: Desk) -> None:
    assert "nobody was invited" in type_("admit", desk.folder)[1]
    type_("invite", desk.folder, "north")
    assert "north does not ask to join; who does: nobody" in type_("admit", desk.folder, "north")[1]
    desk.ask(code_of("north.medfl-invite"), "north")

    status, said = type_("admit", desk.folder, "north", answer="n\n")
    assert (status, read_roster(desk.folder)) == (1, {})
    assert f"north asks with {desk.keys('north')}" in said
    assert "asks to join: medfl-server admit" in type_("admit", desk.folder)[1]
    status, said = type_("admit", desk.folder, "north", "--images", 50, answer="y\n")

    assert status == 0
    assert read_roster(desk.folder)["north"].fingerprint == desk.keys("north")
    assert read_roster(desk.folder)["north"].max_images == 50
    compared = ("fingerprint compared", "")  # a person has said so
    assert desk.changes() == [("asked to join", ""), ("enrolled", ""), compared]
    assert "used; enrolled" in type_("admit", desk.folder)[1]


def test_new_keys_take_the_place_of_old_ones_only_where_a_person_says_so(desk: Desk) -> None:
    type_("invite", desk.folder, "north", "--auto-admit")
    assert desk.ask(code_of("north.medfl-invite"), "north") == ENROLLED
    said = type_("invite", desk.folder, "north", "--auto-admit", "--out", "again")[1]
    assert "new keys need medfl-server admit --replace" in said
    assert desk.ask(code_of("again"), "north", "new machine") == ASKED

    status, said = type_("admit", desk.folder, "north", "--yes")
    assert status == 1
    assert "if the hospital has made new keys, and said so by telephone, add --replace" in said
    assert type_("admit", desk.folder, "north", "--yes", "--replace")[0] == 0

    assert read_roster(desk.folder)["north"].fingerprint == desk.keys("new machine")
    assert desk.changes()[-1] == ("keys replaced", "")
    assert desk.ask(code_of("north.medfl-invite"), "north") == refused("revoked")


def test_revoke_ends_an_invitation_too(desk: Desk) -> None:
    type_("invite", desk.folder, "north", "--auto-admit")

    status, said = type_("revoke", desk.folder, "north")

    assert (status, "the invitation of north is withdrawn" in said) == (0, True)
    assert desk.ask(code_of("north.medfl-invite"), "north") == refused("withdrawn")
    assert type_("revoke", desk.folder, "north")[0] == 1


def test_who_is_invited_to_score_gets_that_role_and_the_first_round_does_not_wait_for_him(
    desk: Desk,
) -> None:
    type_("invite", desk.folder, "far", "--role", "evaluate", "--auto-admit")

    assert read_invitation(Path("far.medfl-invite")).role == "evaluate"
    assert expected_sites(desk.folder) == []
    assert desk.ask(code_of("far.medfl-invite"), "far") == ENROLLED
    assert read_roster(desk.folder)["far"].role == "evaluate"


class Sites:
    """Who is enrolled and who is connected, as it changes from one look to the next."""

    def __init__(self, looks: list[tuple[list[str], list[str], list[str]]]) -> None:
        self._looks: Iterator[tuple[list[str], list[str], list[str]]] = iter(looks)
        self._now: tuple[list[str], list[str], list[str]] = ([], [], [])

    def connected_sites(self) -> dict[str, None]:
        return dict.fromkeys(self._now[1])

    def roster(self) -> dict[str, None]:
        return dict.fromkeys(self._now[0])

    def invited(self) -> list[str]:
        self._now = next(self._looks)
        return self._now[2]


def test_the_first_round_waits_for_who_is_invited() -> None:
    both = ["north", "south"]
    sites = Sites(
        [
            ([], [], []),
            ([], [], both),
            (["north"], ["north"], both),  # `all` are two: the one does not begin alone
            (["north"], ["north"], ["south"]),
            (both, ["north"], []),
            (both, both, []),
        ]
    )
    said: list[str] = []

    wait_for_quorum(sites, lambda n_sites: max(n_sites, 1), 60, said.append, sites.invited)  # type: ignore[arg-type]

    assert said == [
        "no hospital is enrolled or invited; medfl-server invite does that",
        "0 of 2 sites are connected; waiting for north (invited), south (invited)",
        "1 of 2 sites are connected; waiting for south (invited)",
        "1 of 2 sites are connected; waiting for south",
    ]


def test_a_study_waits_no_more_once_the_last_invitation_is_over() -> None:
    sites = Sites([(["north"], ["north"], ["south"]), (["north"], ["north"], [])])

    wait_for_quorum(sites, lambda n_sites: n_sites, 60, print, sites.invited)  # type: ignore[arg-type]
