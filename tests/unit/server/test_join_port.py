"""Who asks to join, as the public port meets him: bounded, put off, and known to nobody by it."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.server.join_desks import ASKED, Desk, face_of, flower, post, refused

from medfl_common.errors import LinkError
from medfl_common.wire.joining import JoinAnswer, read_answer
from medfl_server.roster import invitations
from medfl_server.study.run_directory import create_study
from medfl_server.superlink import limits
from medfl_server.superlink.bell import Bell
from medfl_server.superlink.callers import KEY_HEADER
from medfl_server.superlink.join_desk import JoinDesk
from medfl_server.superlink.listener import FleetOnly


@pytest.fixture
def desk(tmp_path: Path, make_plan: MakePlan) -> Desk:
    return Desk(create_study(tmp_path / "study", make_plan()), tmp_path / "sites")


def test_the_port_answers_a_request_and_leaves_all_others_to_flower(desk: Desk) -> None:
    face, code = face_of(desk), desk.invite("north")

    status, body = asyncio.run(post(face, desk.request(code, "north")))
    assert (status, read_answer(body)) == (200, ASKED)
    status, body = asyncio.run(post(face, desk.request("A" * 43, "north")))
    assert (status, read_answer(body)) == (403, refused("unknown"))
    assert asyncio.run(post(face, b"x", path="/v1/fleet/activate-node"))[0] == 418
    with pytest.raises(LinkError, match="cannot be read"):
        read_answer(b"<html>")


@pytest.mark.parametrize(
    "headers", [{}, {b"content-length": b"4097"}, {b"content-length": b"-1"}], ids=str
)
def test_a_body_that_is_large_or_of_no_size_is_not_read(
    headers: dict[bytes, bytes], desk: Desk
) -> None:
    def never(body: bytes, sender: str) -> JoinAnswer:
        raise AssertionError

    face = FleetOnly(JoinDesk(flower, never), Bell(), knows=lambda scope: False)

    assert asyncio.run(post(face, b"x" * 5000, headers))[0] == 401


def test_who_guesses_is_put_off_and_no_line_is_said_twice_a_minute(desk: Desk) -> None:
    face, code = face_of(desk), desk.invite("north")
    wrong = desk.request("A" * 43, "north")

    async def often() -> list[int]:
        return [(await post(face, wrong))[0] for _ in range(200)]

    found = asyncio.run(often())

    assert (found[0], found[-1]) == (403, 503)
    assert found.count(403) < limits.BURST_REFUSED + 40
    assert len(desk.said) == 1
    assert asyncio.run(post(face, desk.request(code, "north")))[0] == 503  # from that address


def test_joining_makes_nobody_a_hospital_that_the_port_knows(desk: Desk) -> None:
    face, code = face_of(desk), desk.invite("north", auto_admit=True)
    body = desk.request(code, "north")
    claimed = {b"content-length": b"%d" % len(body), KEY_HEADER: b"somebody's"}

    assert asyncio.run(post(face, body, claimed))[0] == 200

    assert b"somebody's" not in face._meter._known
    assert b"" not in face._meter._known


def test_the_file_of_invitations_has_a_version_and_is_read_or_refused_in_words(
    desk: Desk,
) -> None:
    golden = Path(__file__).parents[2] / "golden" / "invitation" / "invitations.json"
    path = desk.folder / "invitations.json"
    path.write_bytes(golden.read_bytes())
    assert [one.site for one in invitations.read_invitations(desk.folder).values()] == [
        "north",
        "south",
    ]

    path.write_text(json.dumps({"version": 2, "invitations": {}}))
    with pytest.raises(OSError, match="of a newer medfl"):
        desk.ask("A" * 43, "north")
    path.write_text("{")
    with pytest.raises(OSError, match="is damaged"):
        desk.ask("A" * 43, "north")
