"""Who asks to join by an invitation: right, wrong, old, used, withdrawn, revoked."""

import asyncio
import threading
import time
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.server.join_desks import ASKED, ENROLLED, Desk, face_of, post, refused

from medfl_common.wire.joining import read_request
from medfl_server.roster import invitations
from medfl_server.roster.enrolment import enrol, read_roster, revoke
from medfl_server.roster.invitations import expected_sites, take, waiting, withdraw
from medfl_server.study.run_directory import create_study


@pytest.fixture
def desk(tmp_path: Path, make_plan: MakePlan) -> Desk:
    return Desk(create_study(tmp_path / "study", make_plan()), tmp_path / "sites")


def test_a_hospital_asks_and_waits_and_is_noted_with_its_fingerprint(desk: Desk) -> None:
    code = desk.invite("north")
    assert expected_sites(desk.folder) == ["north"]

    assert desk.ask(code, "north") == ASKED
    assert desk.ask(code, "north") == ASKED  # the answer was lost: the same again

    assert waiting(desk.folder)["north"].fingerprint == desk.keys("north")
    assert read_roster(desk.folder) == {}
    assert desk.changes() == [("asked to join", "")]
    (line,) = desk.said
    assert line.startswith(f"north asks to join, fingerprint {desk.keys('north')}")
    assert f"medfl-server admit {desk.folder} north" in line


def test_an_invitation_that_admits_enrols_at_once_but_never_in_the_place_of_other_keys(
    desk: Desk,
) -> None:
    code = desk.invite("north", auto_admit=True)

    assert desk.ask(code, "north") == ENROLLED
    assert desk.ask(code, "north") == ENROLLED
    assert read_roster(desk.folder)["north"].fingerprint == desk.keys("north")
    assert desk.changes() == [("enrolled", "")]

    again = desk.invite("north", auto_admit=True)
    assert desk.ask(again, "north", "new machine") == ASKED
    assert read_roster(desk.folder)["north"].fingerprint == desk.keys("north")


def test_other_keys_under_a_used_code_are_refused_in_words_at_both_ends(desk: Desk) -> None:
    code = desk.invite("north")
    desk.ask(code, "north")

    for _ in range(3):
        assert desk.ask(code, "north", "thief") == refused("used")

    assert waiting(desk.folder)["north"].fingerprint == desk.keys("north")
    assert len(desk.said) == 2  # said once, however often it is tried
    assert desk.keys("thief") in desk.said[1]
    assert f"used by other keys, {desk.keys('north')}" in desk.said[1]
    assert desk.changes() == [("asked to join", ""), ("refused", "used")]


def test_a_wrong_an_old_a_withdrawn_and_a_foreign_code_join_nobody(
    desk: Desk, tmp_path: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = desk.invite("north", auto_admit=True)
    other = Desk(create_study(tmp_path / "other", make_plan()), tmp_path / "sites")
    elsewhere = other.invite("north", auto_admit=True)

    assert desk.ask("A" * 43, "north") == refused("unknown")
    assert desk.ask(elsewhere, "north") == refused("unknown")
    assert desk.ask(code, "south") == refused("keys")  # a name that the code is not for
    assert desk.joining(other.request(code, "north"), "x") == refused("keys")  # for another study
    assert desk.joining(b"{}", "x") == refused("unreadable")
    in_15_days = time.time() + 15 * 86_400
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: in_15_days)
        assert desk.ask(code, "north") == refused("ended")
        assert expected_sites(desk.folder) == []
    newer = desk.invite("north", auto_admit=True)
    assert desk.ask(code, "north") == refused("withdrawn")
    assert withdraw(desk.folder, "north")
    assert desk.ask(newer, "north") == refused("withdrawn")

    assert read_roster(desk.folder) == {}
    assert desk.said[0] == (
        "192.0.2.1 asked to join with a code that this study does not know; refused"
    )
    for word in ("has ended", "was withdrawn", "another name"):
        assert any(word in line for line in desk.said), word


def test_revoked_keys_stay_out_and_keys_of_another_name_have_one(desk: Desk) -> None:
    code = desk.invite("north", auto_admit=True)
    desk.ask(code, "north")
    assert desk.ask(desk.invite("south"), "south", "north") == refused("keys")

    revoke(desk.folder, "north")

    assert desk.ask(code, "north") == refused("revoked")
    assert desk.ask(desk.invite("north", auto_admit=True), "north") == refused("revoked")
    assert read_roster(desk.folder) == {}


def test_the_old_way_and_an_invitation_meet_in_one_place(desk: Desk) -> None:
    code = desk.invite("north")
    desk.keys("north")
    enrol(desk.folder, "north", desk.sites / "north" / "identity.pub")

    assert expected_sites(desk.folder) == []
    assert desk.ask(code, "north") == ENROLLED


def test_no_code_stands_on_the_coordinators_disk_or_screen(desk: Desk) -> None:
    codes = [desk.invite(site, auto_admit=site == "north") for site in ("north", "south")]
    for code in codes:
        for site in ("north", "south"):
            desk.ask(code, site)
            desk.ask(code, site, "thief")

    written = b"".join(p.read_bytes() for p in desk.folder.rglob("*") if p.is_file())
    for code in codes:
        assert code.encode() not in written
        assert not any(code in line for line in desk.said)


def test_what_the_disk_does_not_take_is_not_answered_and_uses_no_code(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = desk.invite("north", auto_admit=True)

    def full(path: Path, data: bytes, mode: int | None = None) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(invitations, "write_atomic", full)
        with pytest.raises(OSError, match="No space left"):
            desk.ask(code, "north")
        assert asyncio.run(post(face_of(desk), desk.request(code, "north")))[0] == 503
    assert "cannot be noted here: No space left on device" in desk.said[0]

    assert desk.ask(code, "north") == ENROLLED


def test_a_kill_between_the_note_and_the_place_loses_nothing(desk: Desk) -> None:
    code = desk.invite("north", auto_admit=True)
    request = read_request(desk.request(code, "north"))
    assert request is not None
    take(desk.folder, request)  # and here the process was killed

    assert read_roster(desk.folder) == {}
    assert desk.ask(code, "north", "thief") == refused("used")
    assert desk.ask(code, "north") == ENROLLED


def test_of_many_keys_at_one_moment_one_pair_has_the_code(desk: Desk) -> None:
    code = desk.invite("north")
    requests = [read_request(desk.request(code, "north", f"m{i}")) for i in range(8)]
    found: list[str] = []

    def ask(i: int) -> None:
        request = requests[i]
        assert request is not None
        found.append(take(desk.folder, request)[1])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == ["", *["used"] * 7]
