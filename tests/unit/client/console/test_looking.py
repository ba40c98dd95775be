"""What a hospital's console shows, to whom, and that it stays light."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.client.console.people import People

from medfl_client.commands.index import survey
from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.console.roles import BOTH, MANAGER, OFFICER, ROLES, VIEWER
from medfl_client.egress import ledger
from medfl_common.ui.told import Told
from medfl_sim.local.deployment import wait_until

OF = "/study/_"
HOSTILE = '<img src=x onerror="alert(1)">'
LIGHT_MB = 100
IMPORTS = """
import sys
from pathlib import Path
from medfl_client.console.room import build
room = build(Path(sys.argv[1]))
room.console.app(["127.0.0.1"])
heavy = [name for name in ("torch", "flwr", "pydicom", "scipy", "sklearn") if name in sys.modules]
held = next(x for x in open("/proc/self/status") if x.startswith("VmRSS"))
print(heavy, int(held.split()[1]) // 1024)
"""


@pytest.fixture
def people(hospitals: Path, make_plan: MakePlan) -> Iterator[People]:
    """A site that was looked at, with a plan whose words a hostile coordinator chose."""
    site = hospitals / "site-1"
    make_plan("hospitals/site-1/plan.yaml", task={"classes": ["normal", "opacity"]})
    survey(site, site / "plan.yaml", False, False, None, Told())
    state = StateFolder.of(site)
    text = f"Traceback\nDataError: {HOSTILE} of P017"
    ledger.append(state.incidents, {"incident": "4711", "error": text})
    state.client_log.write_text(f"12:00:00 {HOSTILE}\n")
    SiteFolder(site).predictions.write_text(f"file,opacity\n{HOSTILE},0.5\n")
    found = People(site)
    yield found
    found.close()


def test_the_console_loads_no_torch_and_stays_light(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORTS, str(tmp_path / "new")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    heavy, mb = done.stdout.rsplit(" ", 1)

    assert heavy == "[]"
    assert int(mb) <= LIGHT_MB


def test_viewers_see_counts_and_no_file_image_or_text_of_a_patient(people: People) -> None:
    viewer, manager = people.person(VIEWER), people.person(MANAGER)
    names = [path.name for path in (people.folder / "dicom").rglob("*.dcm")]
    pages = ("models/", "incidents/", "client/", "work/")
    files = ("readiness", "predictions", "audit", "explain", "picture/predictions.csv.png")
    for path in (*pages, *files):
        assert viewer.reads(f"{OF}/{path}").startswith("403"), path
    assert viewer.reads("/join/").startswith("403")

    data = viewer.reads(f"{OF}/data/")

    assert data.startswith("200")
    assert "40 samples of" in data
    assert not [name for name in names if name in data]
    assert "data:image" not in data
    assert "data:image/png" in manager.reads(f"{OF}/readiness")
    assert "P017" in manager.reads(f"{OF}/incidents/")


def test_whatever_others_wrote_is_text_on_every_page(people: People) -> None:
    person = people.person(BOTH)
    pages = [one.path.replace("{study}", "_") for one in people.room.console.pages]

    texts = {path: person.reads(path) for path in pages}

    assert all(text.startswith("200") for text in texts.values())
    assert not [path for path, text in texts.items() if "<img src=x" in text]
    escaped = [path for path, text in texts.items() if "&lt;img src=x" in text]
    assert escaped == [f"{OF}/client/", f"{OF}/models/", f"{OF}/incidents/"]


def test_a_look_at_the_data_is_work_beside_that_page_and_command_share(people: People) -> None:
    facts = StateFolder.of(people.folder).readiness
    before = json.loads(facts.read_text())
    manager = people.person(MANAGER)

    assert manager.does(f"{OF}/look")[0] == 303
    assert manager.does(f"{OF}/look")[0] == 409  # one piece of work at a time
    wait_until(lambda: "Looked; the verdict is" in manager.reads(f"{OF}/work/"), 120, "the look")

    after = json.loads(facts.read_text())
    assert after.pop("written") > before.pop("written")
    assert after == before


def test_a_code_of_an_invitation_is_on_no_page_and_in_no_record(tmp_path: Path) -> None:
    people = People(tmp_path / "new")
    person = people.person(BOTH)
    assert "has not joined a study yet" in person.reads("/")

    assert person.does("/join/begin", invitation='{"code": "SECRET"}')[0] == 303
    wait_until(lambda: "answer bad" in person.reads("/join/"), 120, "the end of the work")

    assert "the invitation has" in person.reads("/join/")
    kept = [*(tmp_path / "new").rglob("*")]
    assert not [path for path in kept if path.is_file() and b"SECRET" in path.read_bytes()]
    assert "SECRET" not in person.reads("/join/")
    assert {path.name for path in kept if path.is_file()} == {"actions.jsonl", "actions.head"}
    people.close()


def test_what_left_is_added_up_by_round_and_a_changed_record_is_told(people: People) -> None:
    state = StateFolder.of(people.folder)
    for number, kind in ((1, "train"), (2, "train"), (2, "evaluate")):
        ledger.append(state.ledger, {
            "study": "small", "run": "a" * 32, "plan": "b" * 64, "kind": kind, "round": number,
            "to": "localhost:1", "bytes": 1500, "arrays": {"w": [2, 3]}, "norm": 1.0,
            "numbers": ["loss", "n"], "sha256": "c" * 64, "decision": "released",
        })  # fmt: skip
    person = people.person(OFFICER)

    page = person.reads(f"{OF}/left/")

    assert "3 messages left, total 0.00 MB, to localhost:1" in page
    assert "<td>an update of 1 tensors, 2 numbers or lists of counts</td>" in page
    assert ledger.last(state.ledger).hash in page
    assert person.browser.get(f"{OF}/ledger.csv").text.count("\n") == 4
    text = state.ledger.read_text()
    state.ledger.write_text(text.replace('"bytes": 1500', '"bytes": 1501', 1))
    other = People(people.folder).person(OFFICER)
    assert "SOMEBODY CHANGED THE RECORDS" in other.reads(f"{OF}/left/")


def test_every_role_has_a_page_for_each_step(people: People) -> None:
    for role in ROLES:
        text = people.person(role).reads(f"{OF}/")
        assert "Place in the study" in text
        assert "the plan of small waits" in text


def test_what_is_saved_has_a_line_in_the_record(people: People) -> None:
    nora, eve = people.person(MANAGER), people.person(VIEWER, "Eve")

    for person in (nora, eve):
        person.reads(f"{OF}/predictions")
        person.reads(f"{OF}/ledger.csv")

    saved = [(line["who"], line["what"]) for line in people.actions()]
    assert saved == [("Nora", "save the predictions"), ("Nora", "save the ledger"),
                     ("Eve", "save the ledger")]  # fmt: skip


def test_a_viewer_sees_no_place_on_the_machine(people: People) -> None:
    viewer = people.person(VIEWER)
    pages = [viewer.reads(f"{OF}/{name}") for name in ("policy/", "left/", "data/", "")]
    StateFolder.of(people.folder).ledger.write_bytes(b"{\n")
    pages.append(People(people.folder).person(VIEWER).reads(f"{OF}/left/"))

    assert "It stands in site.yaml" in pages[0]
    assert "state/ledger.jsonl" in pages[-1]
    assert not [page for page in pages if str(people.folder) in page]
