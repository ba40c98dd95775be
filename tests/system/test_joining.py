"""Two hospitals join by invitation as people do: commands typed, questions answered, counted."""

import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from tests.conftest import MakePlan
from tests.system.people import ANSWER_S, Person

from medfl_client.commands.run import free_port
from medfl_common.run.log import read_lines
from medfl_sim.local.deployment import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]

KEYS_A_SECOND = 3.0  # that a person types


@pytest.fixture
def people(tmp_path: Path, hospitals: Path) -> Iterator[dict[str, Person]]:
    found = {"coordinator": Person("server", tmp_path)}
    for name, site in (("north", "site-1"), ("south", "site-2")):
        (hospitals / site / "site.yaml").unlink()
        found[name] = Person("client", hospitals)
    yield found
    for person in found.values():
        person.leave()


def typing_s(person: Person) -> float:
    return person.n_keys / KEYS_A_SECOND


QUESTIONS = tuple(
    (question, "")
    for question in (
        "Folder with the DICOM files [dicom]: ", "Label file, a CSV [labels.csv]: ",
        "Column that says which image [sop_instance_uid]: ", "Column with the label [finding]: ",
    )
)  # fmt: skip


def test_two_hospitals_join_by_invitation_in_three_commands_each_and_the_study_finishes(
    people: dict[str, Person], make_plan: MakePlan, tmp_path: Path, hospitals: Path
) -> None:
    anna, north, south = people.values()
    plan = make_plan(federation={"rounds": 1})
    port = free_port()
    address = f"localhost:{port}"
    anna.type_("init", "study", "--plan", plan, "--host", "localhost")
    for name, how in (("north", []), ("south", ["--auto-admit"])):
        file = hospitals / f"{name}.medfl-invite"
        anna.type_("invite", "study", name, "--address", address, *how, "--out", file)
    run = anna.start("run", "study", "--port", port, "--bind", "127.0.0.1")
    run.expect_exact("0 of 2 sites are connected; waiting for north (invited), south (invited)")

    shown = {}
    for name, person, site in (("north", north, "site-1"), ("south", south, "site-2")):
        began = time.monotonic()
        said = person.type_("join", f"{name}.medfl-invite", site, answers=QUESTIONS)
        assert time.monotonic() - began < 120
        shown[name] = said.partition("fingerprint of your keys: ")[2].split()[0]
        person.type_("approve", site, answers=(("[y/N]: ", "y"),))
        person.start("run", site)
    run.expect_exact(f"north asks to join, fingerprint {shown['north']}")
    asked = anna.type_("admit", "study", "north", answers=(("[y/N]: ", "y"),))
    assert f"north asks with {shown['north']}" in asked
    run.expect(pexpect.EOF)
    run.wait()

    assert run.exitstatus == 0
    log = read_lines(tmp_path / "study" / "log.jsonl")
    (made,) = [line for line in log if line["event"] == "round"]
    assert set(made["sites"]) == {"north", "south"}
    enrolled = {e["site"]: e["by"] for e in log if e.get("change") == "enrolled"}
    assert enrolled["south"].startswith("the invitation of ")
    wait_until(lambda: not north.running[-1].isalive(), ANSWER_S, "the end of north's client")
    for person in (north, south):
        assert [line.split()[0] for line in person.commands] == ["join", "approve", "run"]
        assert person.n_answers == 5  # four of them by pressing Enter
        assert typing_s(person) < 60
    assert len(anna.commands) == 5  # for two hospitals: init, two invitations, run, admit
    assert anna.n_answers == 1
