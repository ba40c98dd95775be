"""Who decides in a hospital's console, and that it writes what the commands write."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.consoles import attacks
from tests.unit.client.console.people import People, records, set_policy

from medfl_client.commands.approve import approve_plan
from medfl_client.console.acts import Acts, number_of
from medfl_client.console.hospital import OWN, Hospital
from medfl_client.console.records import Chains
from medfl_client.console.roles import BOTH, MANAGER, OFFICER, VIEWER
from medfl_client.console.waiting import Plans
from medfl_common.console.actions import note_in
from medfl_common.console.doors import Visitor
from medfl_common.console.two_persons import TwoPersons
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import load_plan
from medfl_common.ui.told import Told
from medfl_sim.local.deployment import wait_until

OF = "/study/_"


@pytest.fixture
def people(hospitals: Path, make_plan: MakePlan) -> Iterator[People]:
    site = hospitals / "site-1"
    shutil.copy(make_plan(), site / "plan.yaml")
    found = People(site)
    yield found
    found.close()


def shown(people: People, role: str = OFFICER) -> dict[str, str]:
    """Wait until the plan is in words, as a page does; give what its form holds."""
    person = people.person(role)
    wait_until(lambda: "waits for your approval" in person.reads(f"{OF}/plan/"), 120, "the plan")
    plan = load_plan(people.folder / "plan.yaml")
    return {"plan_hash": plan.hash(), "group": "", "typed": "small"}


def test_an_approval_in_the_console_is_the_commands_but_for_the_name(
    people: People, hospitals: Path
) -> None:
    form = shown(people)
    status, said = people.person(OFFICER).does(f"{OF}/approve", **form | {"typed": "smal"})
    assert status == 409
    assert "what was typed is not the study's name, small" in said
    status, said = people.person(OFFICER).does(f"{OF}/approve", **form | {"plan_hash": "0" * 64})
    assert status == 409
    assert records(people.folder) == []

    status, said = people.person(OFFICER).does(f"{OF}/approve", **form)

    assert status == 200
    assert said.startswith("Done Approved: small, plan")
    other = hospitals / "site-2"
    approve_plan(other, people.folder / "plan.yaml", lambda question: True, Told())
    own, typed = ({k: v for k, v in line.items() if k not in ("time", "hash", "by")}
                  for line in (*records(people.folder), *records(other)))  # fmt: skip
    assert own == typed
    assert records(people.folder)[0]["by"] == "Nora (console)"
    results = [(line["what"], line["who"], line["result"]) for line in people.actions()]
    assert results == [("approve", "Nora", one) for one in
                       ("asked", "refused", "asked", "refused", "asked", "done")]  # fmt: skip

    status, said = people.person(OFFICER).does(f"{OF}/withdraw", typed="small", reason="enough")
    assert status == 200
    assert "Withdrawn from study small" in said
    assert [line["action"] for line in records(people.folder)] == ["approve", "withdraw"]


def test_two_persons_approve_where_the_site_says_so_and_one_cannot_be_both(
    people: People,
) -> None:
    set_policy(people.folder, two_persons=True)
    form = shown(people)
    assert "Two persons approve here" in people.person(OFFICER).reads(f"{OF}/plan/")
    with pytest.raises(ConfigError, match=r"policy P23, two_persons"):
        approve_plan(people.folder, None, lambda question: True, Told())
    refused = [
        people.person(BOTH).does(f"{OF}/approve", **form),
        people.person(OFFICER, how="link").does(f"{OF}/approve", **form),
    ]
    assert [status for status, _ in refused] == [409, 409]

    first = people.person(MANAGER, "Mia").does(f"{OF}/approve", **form)
    again = people.person(MANAGER, "Mia").does(f"{OF}/approve", **form)
    assert (first[0], again[0], records(people.folder)) == (200, 409, [])
    assert "once the security officer has agreed" in first[1]
    second = people.person(OFFICER, "Olaf").does(f"{OF}/approve", **form)

    assert second[0] == 200
    (line,) = records(people.folder)
    assert line["by"] == "Mia (data manager) and Olaf (security officer)"


def test_a_manager_alone_does_not_approve_where_one_person_does(people: People) -> None:
    status, said = people.person(MANAGER).does(f"{OF}/approve", **shown(people))

    assert (status, records(people.folder)) == (409, [])
    assert "the security officer approves plans here" in said


ACTIONS = {
    "/join/begin": (MANAGER, BOTH), "/join/answer": (MANAGER, BOTH), "/join/stop": (MANAGER, BOTH),
    f"{OF}/look": (MANAGER, BOTH), f"{OF}/describe": (MANAGER, BOTH),
    f"{OF}/doctor": (MANAGER, BOTH), f"{OF}/answer": (MANAGER, BOTH), f"{OF}/stop": (MANAGER, BOTH),
    f"{OF}/approve": (MANAGER, OFFICER, BOTH), f"{OF}/budget": (OFFICER, BOTH),
    f"{OF}/start": (MANAGER, BOTH), f"{OF}/pause": (MANAGER, BOTH),
    f"{OF}/withdraw": (OFFICER, BOTH), f"{OF}/verify": (OFFICER, BOTH),
    f"{OF}/write-audit": (OFFICER, BOTH),
}  # fmt: skip


def test_each_action_is_for_its_roles_alone(people: People) -> None:
    assert {one.path.replace("{study}", "_"): tuple(one.roles)
            for one in people.room.console.actions} == ACTIONS  # fmt: skip
    for path, roles in ACTIONS.items():
        for role in {VIEWER, MANAGER, OFFICER, BOTH} - {*roles}:
            status, said = people.person(role).does(path, typed="small")
            assert (status, "Your role may look, not act." in said) == (403, True), (path, role)
        for wrong, answer in attacks(people.person(roles[0]).browser, path, typed="small"):
            assert answer.status_code in (303, 403, 405, 421), (path, wrong)
    assert records(people.folder) == []


def test_where_site_yaml_cannot_be_read_nobody_approves_alone(people: People) -> None:
    (people.folder / "site.yaml").write_text("policy: {two_persons: true")
    hospital, two = Hospital(people.folder), TwoPersons(people.folder / "w", (MANAGER, OFFICER))
    acts = Acts(hospital, people.room.works, Plans(lambda folder: {}), two,
                note_in(people.room.folder.actions), Chains())  # fmt: skip

    with pytest.raises(ConfigError, match="one person approves or two"):
        acts._who_approves(hospital.study(OWN), {}, Visitor("Olaf", OFFICER, "password"))


def test_a_strange_number_of_a_question_is_none() -> None:
    assert [number_of(text) for text in ("7", "²", "", "-1", "9" * 5000)] == [7, 0, 0, 0, 0]
