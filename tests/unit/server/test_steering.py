"""A button's function leaves the files that its command leaves, says the same, and names who."""

import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.server.join_desks import Desk
from typer.testing import CliRunner

from medfl_client.config.identity import create_identity, replace_identity
from medfl_common.errors import ConfigError, LinkError, RunError
from medfl_common.files import locked
from medfl_common.run.decisions import PlanChanged, RosterChanged
from medfl_common.run.folder import RunFolder
from medfl_server.cli import app
from medfl_server.roster.comparisons import read_comparisons
from medfl_server.roster.invitations import read_invitations
from medfl_server.roster.study_key import ensure_study_key
from medfl_server.steering import course, hospitals, invitation, scoring
from medfl_server.study.pause_wish import wish_in
from medfl_server.study.run_directory import create_study, open_study
from medfl_server.study.stop_wish import stop_in
from medfl_sim.local.deployment import free_port

NOW = 1_790_000_000.5
Files = dict[str, bytes]


class Place:
    """A study after its first round: north is enrolled and has new keys, east asks to join."""

    def __init__(self, folder: Path, make_plan: MakePlan) -> None:
        self.study = folder / "study"
        made = create_study(self.study, make_plan())
        desk = Desk(made, folder / "sites")
        self.pub = folder / "north" / "identity.pub"
        create_identity(self.pub.parent, "north")
        hospitals.enrol(self.study, "north", self.pub.read_text())
        replace_identity(self.pub.parent, "north")
        desk.ask(desk.invite("east"), "east")
        ensure_study_key(self.study)
        made.log.write("round", round=1, sites={}, missing={}, sha256="ab")
        self._copy = Path(shutil.copytree(self.study, folder / "copy"))

    def after(self, act: Callable[[], object]) -> tuple[str, Files]:
        """Do something to the study as it was; give what was said, and the files."""
        shutil.rmtree(self.study)
        shutil.copytree(self._copy, self.study)
        said = act()
        files = {
            path.relative_to(self.study).as_posix(): path.read_bytes()
            for path in sorted(self.study.rglob("*"))
            if path.is_file()
        }
        return " ".join(str(said).split()), files


@pytest.fixture
def place(tmp_path: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place(tmp_path, make_plan)
    local = time.localtime(NOW)
    strftime = time.strftime
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr(time, "strftime", lambda text, of=local: strftime(text, of))
    monkeypatch.setattr(secrets, "token_urlsafe", lambda n: "c" * 43)
    return place


def type_(*words: object) -> str:
    done = CliRunner().invoke(app, [*map(str, words)], input="y\n", env={"COLUMNS": "1000"})
    assert done.exit_code == 0, done.output
    return done.output


Act = Callable[[Path, Path, str], list[str]]  # of the study, the keys and who does it
ACTS: dict[str, tuple[list[str], Act]] = {
    "pause": (
        ["--message", "on Monday", "--now"],
        lambda study, pub, by: course.pause(study, "on Monday", is_now=True, by=by),
    ),
    "stop": (
        ["--reason", "enough", "--yes"],
        lambda study, pub, by: course.stop(study, "enough", by=by),
    ),
    "resume": (["--no-run"], lambda study, pub, by: course.resume(study)[0]),
    "extend": (["--rounds", "2"], lambda study, pub, by: course.extend(study, 2, by=by)),
    "amend": (
        ["--set", "training.lr=0.001"],
        lambda study, pub, by: course.amend(study, {"training.lr": 0.001}, by=by),
    ),
    "enrol": (
        ["north", "PUB", "--replace", "--images", "50", "--role", "evaluate"],
        lambda study, pub, by: hospitals.enrol(
            study, "north", pub.read_text(), 50, replace=True, role="evaluate", by=by
        ),
    ),
    "revoke": (["north"], lambda study, pub, by: hospitals.revoke(study, "north", by=by)),
    "admit": (
        ["east", "--images", "7"],
        lambda study, pub, by: hospitals.admit(
            study, "east", hospitals.asking(study, "east"), 7, is_compared=True, by=by
        ),
    ),
    "roster": (
        ["--compared", "north"],
        lambda study, pub, by: hospitals.compare(study, "north", by=by),
    ),
    "invite": (
        ["west", "--days", "3", "--out", "STUDY/west.medfl-invite"],
        lambda study, pub, by: invitation.invite(
            study, "west", study / "west.medfl-invite", days=3, by=by
        ),
    ),
}


@pytest.mark.parametrize("command", ACTS)
def test_files_and_words_after_a_function_are_those_after_its_command(
    command: str, place: Place
) -> None:
    words, act = ACTS[command]
    said = {"PUB": str(place.pub), "STUDY/west.medfl-invite": f"{place.study}/west.medfl-invite"}
    typed = [said.get(word, word) for word in words]
    if command == "resume":
        RunFolder(place._copy).pause.write_text(
            '{"by": "a", "time": 1, "message": "", "is_now": 0}'
        )

    by_command = place.after(lambda: type_(command, place.study, *typed))
    by_function = place.after(lambda: "\n".join(act(place.study, place.pub, "")))

    assert by_function[1] == by_command[1]
    assert by_function[1] != place.after(lambda: "")[1]
    shown = by_command[0].replace(time.strftime("%H:%M:%S") + " ", "")
    assert by_function[0] in shown


@pytest.mark.parametrize("command", sorted(ACTS.keys() - {"resume"}))
def test_what_a_signed_in_person_does_is_noted_under_their_name(command: str, place: Place) -> None:
    place.after(lambda: ACTS[command][1](place.study, place.pub, "ada (console)"))

    log = open_study(place.study).log
    noted = {
        *(wish.by for wish in (wish_in(place.study), stop_in(place.study)) if wish),
        *(str(event.facts["by"]) for event in log.read(PlanChanged)),
        *(str(event.facts["by"]) for event in log.read(RosterChanged)),
        *(one.by for one in read_comparisons(place.study).values()),
        *(one.by for one in read_invitations(place.study).values()),
    }
    assert "ada (console)" in noted


def test_keys_that_came_while_a_person_read_a_fingerprint_are_not_admitted(place: Place) -> None:
    with pytest.raises(ConfigError, match=r"asks with SHA256:.* now, and not with SHA256:other"):
        hospitals.admit(place.study, "east", "SHA256:other", is_compared=True)
    with pytest.raises(LinkError, match="the text holds no OpenSSH public key"):
        hospitals.enrol(place.study, "west", "what is no key")
    with pytest.raises(ConfigError, match=r"the name '\.\./x' is not allowed"):
        hospitals.enrol(place.study, "../x", place.pub.read_text())

    assert place.after(lambda: "")[1] == place.after(lambda: "")[1]
    assert read_comparisons(place.study) == {}


def test_a_button_that_scores_says_why_it_cannot_and_starts_the_command_where_it_can(
    place: Place,
) -> None:
    study, port = place.study, free_port()
    with pytest.raises(RunError, match="a test part is scored once, for the result"):
        scoring.score(study, port=port)
    open_study(study).log.write("finished", round=1, sites={}, missing={}, sha256="ab")
    with pytest.raises(ConfigError, match="west is not enrolled"):
        scoring.score(study, sites=["north", "west"], port=port)
    with locked(study), pytest.raises(RunError, match="and a scoring needs its port"):
        scoring.score(study, port=port)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(RunError, match=f"port {taken} of this machine is taken"):
            scoring.score(study, port=taken, bind="127.0.0.1")
    assert not RunFolder(study).process_log.exists()
    with pytest.raises(RunError, match=r"(?s)did not begin: .*weights of round 9 are not kept"):
        scoring.score(study, "9", port=port, bind="127.0.0.1")


def test_no_button_needs_torch_or_flower_but_to_check_a_plan() -> None:
    names = ", ".join(("course", "hospitals", "invitation", "scoring"))
    asked = f"from medfl_server.steering import {names}\nimport sys\n"
    asked += "print(*{'torch', 'flwr'} & set(sys.modules))"

    said = subprocess.run(
        [sys.executable, "-P", "-c", asked], capture_output=True, text=True, check=True
    )

    assert said.stdout == "\n"
