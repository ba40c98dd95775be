"""What a simulation tells its researcher of the data, and where it writes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import MakePlan

from medfl_client.config.folder import StateFolder
from medfl_client.config.secret_keys import site_secret
from medfl_common.errors import ConfigError, RunError
from medfl_common.plan.plan import load_plan
from medfl_common.registry import Registry, parts_from_elsewhere
from medfl_common.run.events import DataRead
from medfl_common.run.model_file import WEIGHTS
from medfl_server.reports.sections.data import data_section
from medfl_sim.data.hospitals import read_hospitals
from medfl_sim.data.sources import SOURCES
from medfl_sim.runs.job import CACHE, Job, do

SITE = """site: one
data:
  folder: images
  labels_from: folder
server: {address: "localhost:1", ca: ca.crt}
policy: {min_images: 1, min_cell: 1}
"""


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twenty pictures of two classes, a text, and no word about patients."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "data"
    for i in range(20):
        path = folder / "images" / ("opacity" if i % 2 else "normal") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (24, 24), np.uint8)).save(path)
    (folder / "images" / "normal" / "notes.txt").write_text("no image")
    (folder / "site.yaml").write_text(SITE)
    return folder


def test_what_is_left_out_and_who_counts_as_a_patient_is_on_screen_page_log_and_report(
    pictures: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(images={"modality": ["OT"]}, federation={"rounds": 1, "min_sites": 1})
    said: list[str] = []

    study = do(Job(plan, pictures, source="pictures", baselines=False), tmp_path / "r", said.append)
    do(Job(plan, pictures, source="pictures", baselines=False), tmp_path / "r")

    (read,) = study.log.read(DataRead)
    assert read.sources["one"].left_out == {"no PNG or JPEG image": 1}
    source = read.sources["one"]
    assert (source.n_images, source.n_patients, source.n_own_patients) == (20, 20, 20)
    own = "20 images, each counted as a patient"
    assert any("left out: 1 x no PNG or JPEG image" in line for line in said)
    assert any(own in line for line in said)
    assert own in (study.folder / "partition.html").read_text()
    assert own in (study.folder / "report.html").read_text()


def test_a_page_counts_images_and_patients_where_nothing_is_left_out() -> None:
    facts = {"images": 80, "patients": 52, "left_out": {}, "left_out_parts": {}, "own_patients": 0}

    section = data_section(DataRead.of({"north": facts}))

    assert section.tables[0].rows == [["north", "80 images of 52 patients"]]
    assert section.texts == ["Nothing was left out."]


def test_a_simulation_writes_nothing_into_the_data(
    pictures: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(images={"modality": ["OT"]}, federation={"rounds": 1, "min_sites": 1})
    before = digests(pictures)
    job = Job(plan, pictures, source="pictures", baselines=False)

    do(job, tmp_path / "runs" / "r")
    first = (tmp_path / "runs" / "r" / WEIGHTS).read_bytes()
    do(Job(plan, pictures, source="pictures", baselines=False, cache=tmp_path / "c"),
       tmp_path / "other" / "r")  # fmt: skip

    assert digests(pictures) == before
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"r", CACHE}
    assert {path.name for path in (tmp_path / "other").iterdir()} == {"r"}
    assert (tmp_path / "other" / "r" / WEIGHTS).read_bytes() == first


def test_a_hospitals_own_key_stays_the_key_of_its_pseudonyms_and_its_state_is_only_read(
    pictures: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = load_plan(make_plan(images={"modality": ["OT"]}))
    first = read_hospitals(pictures, plan, reader=SOURCES.get("pictures")(), cache=tmp_path / "c")
    key = site_secret(StateFolder.of(pictures).path)
    before = digests(pictures)

    again = read_hospitals(pictures, plan, reader=SOURCES.get("pictures")(), cache=tmp_path / "c")

    assert digests(pictures) == before
    kept = {path.read_text() for path in (tmp_path / "c").glob("*/patients.key")}
    assert len(kept) == 2
    assert key.hex() in kept
    assert first.read.facts == again.read.facts


def test_a_researcher_reads_why_and_no_message_for_hospitals(
    pictures: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    """The site file keeps its policy, which wants more images than there are."""
    plan = make_plan(images={"modality": ["OT"]}, federation={"rounds": 1, "min_sites": 1})
    site_file = pictures / "site.yaml"
    site_file.write_text(site_file.read_text().replace("min_images: 1,", "min_images: 100,"))
    said: list[str] = []

    with pytest.raises(RunError, match="policy P4") as stopped:
        do(Job(plan, pictures, source="pictures", baselines=False), tmp_path / "r", said.append)

    words = str(stopped.value) + "".join(said) + (tmp_path / "r" / "log.jsonl").read_text()
    assert not [word for word in ("ask the", "medfl-server", "medfl-client") if word in words]
    assert any("policy P4" in line for line in said)


def test_a_part_that_a_script_registered_is_there_in_another_process() -> None:
    registry: Registry[object] = Registry("sound", "medfl_sim.data.faults.sounds")
    registry.register("mine")(len)

    (mine,) = [part for part in parts_from_elsewhere() if part[0] == registry.package]
    again: Registry[object] = Registry("sound", "medfl_sim.data.faults.sounds")

    assert mine == (registry.package, "mine", len)
    assert "mine" not in again._parts


def test_neither_a_run_nor_a_cache_may_lie_in_the_data_folder(
    pictures: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    before = {*pictures.rglob("*")}
    for out, cache in ((pictures / "r", None), (tmp_path / "r", pictures / "images" / "cache")):
        job = Job(make_plan(), pictures, source="pictures", baselines=False, cache=cache)
        with pytest.raises(ConfigError, match="lies in the data folder"):
            do(job, out)
    assert {*pictures.rglob("*")} == before
    assert not (tmp_path / "r").exists()


def test_a_run_does_not_go_on_with_other_data(
    pictures: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(images={"modality": ["OT"]}, federation={"rounds": 1, "min_sites": 1})
    job = Job(plan, pictures, source="pictures", baselines=False)
    study = do(job, tmp_path / "r")
    log = (study.folder / "log.jsonl").read_bytes()
    (pictures / "images" / "normal" / "0.png").unlink()

    with pytest.raises(RunError, match=r"began with other data: one: 20 images") as refused:
        do(job, tmp_path / "r")

    assert "now there are: one: 19 images" in str(refused.value.data)
    assert (study.folder / "log.jsonl").read_bytes() == log
