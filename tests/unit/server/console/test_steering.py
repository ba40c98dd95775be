import json
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import MakePlan
from tests.consoles import Browser, attacks
from tests.unit.server.console.followed_studies import browser, enrolled, made

from medfl_client.config.identity import create_identity
from medfl_common import chain
from medfl_common.console.folder import ConsoleFolder
from medfl_common.files import Json
from medfl_common.ops.invitation import read_invitation
from medfl_common.run.folder import RunFolder
from medfl_server.console import acts
from medfl_server.console.apart import amend_apart
from medfl_server.roster.certificates import create_authority
from medfl_server.roster.invitations import states
from medfl_server.steering import course
from medfl_server.study.pause_wish import wish_in
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_sim.local.deployment import run_here

HERE = "/study/demo"


@pytest.fixture
def study(make_plan: MakePlan, tmp_path: Path) -> Study:
    """A study of three hospitals with one round, that does not run."""
    found = enrolled(make_plan, tmp_path / "demo")
    made(found, 1, {"site-1": 0.5, "site-2": 0.6, "site-3": 0.55})
    return found


@pytest.fixture
def person(study: Study) -> Browser:
    """A coordinator's browser."""
    return browser(study.folder)


def between(text: str, before: str, after: str = '"') -> str:
    return text.split(before)[1].split(after)[0]


def record(folder: Path) -> list[tuple[str, str]]:
    lines = reversed([*chain.newest_first(ConsoleFolder(folder).actions)])
    found = [(str(line["what"]), str(line["result"])) for line in lines]
    return [one for one in found if one[0] != "sign in"]


def test_a_pause_by_button_is_the_wish_that_the_command_writes(
    study: Study, person: Browser
) -> None:
    answer = person.post(f"{HERE}/pause", reason="maintenance", now="yes")

    wish = wish_in(study.folder)
    assert wish is not None
    assert (wish.by, wish.message, wish.is_now) == ("Ada (console)", "maintenance", True)
    assert "No coordinator runs here" in answer.text
    assert "Paused." in person.get(f"{HERE}/").text
    assert "starts it: medfl-server run" in person.post(f"{HERE}/resume").text
    assert wish_in(study.folder) is None
    assert record(study.folder) == [
        ("pause", "asked"), ("pause", "done"), ("resume", "asked"), ("resume", "done"),
    ]  # fmt: skip


def test_a_stop_needs_the_studys_name_and_a_reason(study: Study, person: Browser) -> None:
    wrong = person.post(f"{HERE}/stop", typed="demo?", reason="enough")
    assert wrong.status_code == 409
    assert "type small to confirm" in wrong.text
    assert person.post(f"{HERE}/stop", typed="small", reason=" ").status_code == 409
    assert not study.files.stop.exists()

    right = person.post(f"{HERE}/stop", typed="small", reason="enough")

    assert right.status_code == 200
    assert json.loads(study.files.stop.read_text())["reason"] == "enough"


def test_enrolling_and_revoking_by_button_leave_the_files_that_the_commands_leave(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    keys = tmp_path / "north"
    create_identity(keys, "north")
    create_identity(tmp_path / "south", "south")
    plan = make_plan()
    folders = [tmp_path / "console" / "demo", tmp_path / "commands" / "demo"]
    for folder in folders:
        create_study(folder, plan)
    person = browser(folders[0])

    for name in ("north", "south"):
        text = (tmp_path / name / "identity.pub").read_text()
        said = person.post(f"{HERE}/enrol", name=name, keys=text, images="500").text
        run_here(
            "server", "enrol", folders[1], name, tmp_path / name / "identity.pub", "--images", 500
        )
    assert "compare it with the hospital by telephone" in said
    assert person.post(f"{HERE}/revoke", name="south", typed="north", reason="x").status_code == 409
    person.post(f"{HERE}/revoke", name="south", typed="south", reason="it left")
    run_here("server", "revoke", folders[1], "south")
    assert '"why": "it left"' in (folders[0] / "log.jsonl").read_text()

    by_console, by_command = (folder / "roster.json" for folder in folders)
    assert by_console.read_bytes() == by_command.read_bytes()
    assert [*json.loads(by_console.read_text())] == ["north"]


def test_a_fingerprint_is_noted_as_compared_only_with_the_tick(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    create_study(folder, make_plan())
    create_identity(tmp_path / "north", "north")
    run_here("server", "enrol", folder, "north", tmp_path / "north" / "identity.pub")
    person = browser(folder)
    page = person.get(f"{HERE}/roster").text
    assert "The fingerprint of 1 is not compared" in page
    form = {"name": "north", "fingerprint": between(page, 'name="fingerprint" value="')}

    assert person.post(f"{HERE}/compare", **form).status_code == 409
    assert person.post(f"{HERE}/compare", name="north", same="yes").status_code == 404
    assert person.post(f"{HERE}/compare", **form, same="yes").status_code == 200

    assert "by Ada (console) on" in person.get(f"{HERE}/roster").text


def test_keys_that_came_after_the_page_are_not_noted_as_compared(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    create_study(folder, make_plan())
    for keys in ("old", "new"):
        create_identity(tmp_path / keys, "north")
    run_here("server", "enrol", folder, "north", tmp_path / "old" / "identity.pub")
    person = browser(folder)
    seen = between(person.get(f"{HERE}/roster").text, 'name="fingerprint" value="')
    run_here("server", "enrol", folder, "north", tmp_path / "new" / "identity.pub", "--replace")

    told = person.post(f"{HERE}/compare", name="north", fingerprint=seen, same="yes")

    assert told.status_code == 409
    assert f"and not {seen}. nothing was noted" in told.text
    assert not RunFolder(folder).compared.exists()


def test_an_invitation_is_saved_by_who_made_it(make_plan: MakePlan, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    create_study(folder, make_plan())
    create_authority(folder, "small", "localhost")
    person = browser(folder)

    told = person.post(f"{HERE}/invite", name="west", days="7")
    assert told.status_code == 200, told.text
    page = told.text.split('class="button" href="')[1].split('"')[0]
    offered = person.get(page).text
    place = between(offered, 'class="button" href="')
    saved = person.get(place)

    assert "can be saved here for a quarter of an hour" in offered

    assert "west.medfl-invite" in saved.headers["content-disposition"]
    (tmp_path / "saved").write_bytes(saved.content)
    assert read_invitation(tmp_path / "saved").site == "west"
    assert person.get(place).content == saved.content  # reading acts on nothing
    assert [(one.site, state) for one, state in states(folder)] == [("west", "open")]


def test_more_rounds_are_shown_first_and_made_when_confirmed(study: Study, person: Browser) -> None:
    told = person.post(f"{HERE}/look-at-change", rounds="6")
    page = told.text.split('class="button" href="')[1].split('"')[0]
    shown = person.get(page).text
    assert "<td>14</td><td>20</td>" in shown
    assert open_study(study.folder).plan.federation.rounds == 14

    done = person.post(f"{page}/make")

    assert "federation.rounds: 14 -&gt; 20" in done.text
    assert open_study(study.folder).plan.federation.rounds == 20
    assert person.post(f"{page}/make").status_code == 404


def test_a_change_is_not_made_of_a_plan_that_became_another_since_it_was_seen(
    study: Study, person: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*change: Any) -> list[str]:
        course.amend(study.folder, {"training.lr": 0.5}, "Ben")
        return amend_apart(*change)

    monkeypatch.setattr(acts, "amend_apart", meanwhile)
    told = person.post(f"{HERE}/look-at-change", rounds="6")
    page = between(told.text, 'class="button" href="')

    late = person.post(f"{page}/make")

    assert late.status_code == 409
    assert "the plan is another by now. nothing was changed" in late.text
    plan = open_study(study.folder).plan
    assert (plan.federation.rounds, plan.training.lr) == (14, 0.5)


def test_a_viewer_sees_no_form_and_each_act_of_theirs_is_refused_and_recorded(
    study: Study,
) -> None:
    person = browser(study.folder, role="viewer")
    for page in ("/", "/roster", "/invitations"):
        assert f'action="{HERE}' not in person.get(f"{HERE}{page}").text

    for act in (
        "pause",
        "resume",
        "stop",
        "look-at-change",
        "enrol",
        "compare",
        "revoke",
        "invite",
        "admit",
    ):
        assert person.post(f"{HERE}/{act}", name="site-1", typed="site-1").status_code == 403

    assert {result for _, result in record(study.folder)} == {"refused"}
    assert not study.files.pause.exists()


def test_no_button_acts_by_a_form_that_is_not_of_its_own_page(
    study: Study, person: Browser
) -> None:
    files = {
        path: path.read_bytes()
        for path in study.folder.iterdir()
        if path.is_file() and path.stem != "actions"
    }
    form = {"name": "site-1", "typed": "site-1", "same": "yes", "reason": "x"}

    for act in ("pause", "enrol", "revoke", "invite", "admit", "plan/x/make"):
        for what, answer in attacks(person, f"{HERE}/{act}", **form):
            assert answer.status_code in (303, 403, 404, 405, 421), (act, what)

    assert {path: path.read_bytes() for path in files} == files


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({"auc": None}, "AUC no value on 100 images"),
        ({"auc": 0.7}, "AUC 0.70 on 100 images"),
    ],
)
def test_a_score_without_a_value_is_said_to_have_none(
    study: Study, person: Browser, scores: dict[str, float | None], words: str
) -> None:
    whole: dict[str, Json] = {"n": 100, "loss": 0.6, **scores}
    study.log.write("round", round=2, seconds=8.0, sites={}, missing={}, sha256="cd",
                    scores={"all": whole, "sites": {}})  # fmt: skip

    assert words in person.get(f"{HERE}/").text
