"""A hospital describes its data, a coordinator its plan; both type, and the files train."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.people import Person
from tests.unit.client.wizard import labels_of, write_labels

from medfl_client.config.site_file import load_site_file
from medfl_common.plan.plan import load_plan
from medfl_common.run.log import read_lines
from medfl_sim.runs.job import Job, do

pytestmark = [pytest.mark.processes, pytest.mark.slow]

DATA = (
    ("coordinator sees it [site-1]: ", "north"),
    ("Folder with the DICOM files [dicom]: ", ""),
    ("Leave these images out (yes, no) [no]: ", ""),
    ("Label file, a CSV [labels.csv]: ", ""),
    ("Column that says which image [sop_instance_uid]: ", ""),
    ("Column with the label [finding]: ", "findings"),
    ("Column with the label [finding]: ", "finding"),
    ("(yes, no) [yes]: ", ""),
)
PLAN = (
    ("Name of the study [chest]: ", ""),
    ("the negative one first [", "normal, opacity"),
    (") [binary]: ", ""),
    ("such as CR, DX [DX]: ", "CR, DX"),
    ("Pixels on a side [128]: ", "24"),
    ("Network [small_cnn]: ", ""),
    ("Rounds [20]: ", "1"),
    ("Number of hospitals [1]: ", "3"),
    ("first round (yes, no) [yes]: ", ""),
    ("sex and age too (yes, no) [yes]: ", "no"),
    ("chest.yaml (yes, no) [yes]: ", ""),
)


@pytest.fixture
def people(tmp_path: Path, hospitals: Path) -> Iterator[tuple[Person, Person]]:
    found = Person("server", tmp_path), Person("client", hospitals)
    yield found
    for person in found:
        person.leave()


def test_the_files_of_both_wizards_train(
    people: tuple[Person, Person], hospitals: Path, tmp_path: Path
) -> None:
    anna, north = people
    for site in ("site-1", "site-2", "site-3"):
        rows = labels_of(hospitals / site)
        write_labels(hospitals / site, [{**row, "finding": row["finding"].title()} for row in rows])
        (hospitals / site / "site.yaml").unlink()

    said = north.type_("data", "site-1", answers=DATA)
    assert "there is no column 'findings'" in said
    north.type_("index", "site-1", "--share", tmp_path / "north.json")
    anna.type_("plan", "chest.yaml", "--from", "north.json", answers=PLAN)
    plan = tmp_path / "chest.yaml"
    anna.type_("init", "study", "--plan", plan, "--host", "localhost")
    for site in ("site-1", "site-2", "site-3"):
        north.type_("data", site, "--plan", plan, "--yes")

    data = load_site_file(hospitals / "site-1").data
    assert data.values == {"Normal": "normal", "Opacity": "opacity"}
    assert load_plan(plan).federation.min_sites == "all"
    do(Job(plan, hospitals, baselines=False), tmp_path / "run")
    (made,) = [e for e in read_lines(tmp_path / "run" / "log.jsonl") if e["event"] == "round"]
    assert set(made["sites"]) == {"north", "site-2", "site-3"}
