"""Who compared a hospital's fingerprint by telephone is noted for its present keys, and shown."""

import json
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.server.join_desks import Desk
from tests.unit.server.test_invite import code_of, type_

from medfl_client.config.identity import create_identity, replace_identity
from medfl_common.errors import ConfigError, RunError
from medfl_common.ops.user import user_name
from medfl_common.run.decisions import RosterChanged
from medfl_common.run.folder import RunFolder
from medfl_server.doctor.study import check_compared
from medfl_server.roster.certificates import renew
from medfl_server.roster.comparisons import note_compared, read_comparisons
from medfl_server.study.run_directory import create_study


@pytest.fixture
def desk(tmp_path: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    return Desk(create_study(tmp_path / "study", make_plan()), tmp_path / "sites")


def enrolled(desk: Desk, name: str, *words: object) -> Path:
    pub = desk.folder.parent / f"at-{name}" / "identity.pub"
    if not pub.exists():
        create_identity(pub.parent, name)
    status, said = type_("enrol", desk.folder, name, pub, *words)
    assert status == 0, said
    return pub


def test_who_compared_is_noted_for_these_keys_and_forgotten_with_them(desk: Desk) -> None:
    pub = enrolled(desk, "north")
    enrolled(desk, "south")
    assert "not yet" in type_("roster", desk.folder)[1]
    roster = RunFolder(desk.folder).roster.read_bytes()

    status, said = type_("roster", desk.folder, "--compared", "north", "--by", " A. \x1bMiller ")

    assert status == 0, said
    (one,) = read_comparisons(desk.folder).values()
    assert (one.site, one.by) == ("north", "A. \x1bMiller")
    assert r"by A. \x1bMiller on 20" in type_("roster", desk.folder)[1]
    (change,) = [e.facts for e in desk.study.log.read(RosterChanged)][2:]
    assert (change["change"], change["site"]) == ("fingerprint compared", "north")
    assert check_compared(desk.folder).seen.endswith("compared by telephone: south")
    assert check_compared(desk.folder).state == "not checked"
    assert RunFolder(desk.folder).roster.read_bytes() == roster  # what a running study reads

    renew(desk.folder)  # the server's certificate: no hospital's keys
    enrolled(desk, "north", "--images", 10)
    assert [*read_comparisons(desk.folder)] == ["north"]
    replace_identity(pub.parent, "north")
    enrolled(desk, "north", "--replace")
    assert read_comparisons(desk.folder) == {}
    note_compared(desk.folder, "south", "B")
    kept = json.loads(RunFolder(desk.folder).compared.read_text())["fingerprints"]
    assert [one["site"] for one in kept.values()] == ["south"]
    type_("roster", desk.folder, "--compared", "north")
    assert read_comparisons(desk.folder)["north"].by == user_name()
    assert check_compared(desk.folder).state == "ok"


def test_admit_notes_a_comparison_only_where_a_person_answered(desk: Desk) -> None:
    for name, words, answer in (("north", [], "y\n"), ("south", ["--yes"], "")):
        type_("invite", desk.folder, name)
        desk.ask(code_of(f"{name}.medfl-invite"), name)
        assert type_("admit", desk.folder, name, *words, answer=answer)[0] == 0

    assert {n: c.by for n, c in read_comparisons(desk.folder).items()} == {"north": user_name()}


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--compared", "east"], "east is not enrolled; enrolled: north"),
        (["--compared", "north", "--by", " "], "a name of 1 to 80 characters, not of 0"),
        (["--compared", "north", "--by", "x" * 81], "not of 81"),
        (["--by", "A. Miller"], "name the hospital: --compared NAME"),
    ],
)
def test_a_comparison_of_nobody_or_by_nobody_is_not_noted(
    words: list[str], match: str, desk: Desk
) -> None:
    enrolled(desk, "north")

    status, said = type_("roster", desk.folder, *words)

    assert status == 1
    assert match in said
    assert not RunFolder(desk.folder).compared.exists()


def test_a_damaged_note_is_named_and_never_taken_as_compared(desk: Desk) -> None:
    enrolled(desk, "north")
    for text in ("{", '{"version": 1}', '{"version": 2, "fingerprints": {}}'):
        RunFolder(desk.folder).compared.write_text(text)
        with pytest.raises(RunError, match=r"compared\.json is"):
            read_comparisons(desk.folder)
    with pytest.raises(ConfigError, match="is not enrolled"):
        note_compared(desk.folder, "east", "A")
