"""The paper kit of a real small run: what it knows is said, and nothing else."""

import csv
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.run.events import (
    DataRead,
    Finished,
    ScoredOnTest,
    ScoredOutside,
    Started,
    Statistics,
)
from medfl_common.run.paper_folder import PaperFolder
from medfl_server.reports.dossier.line import YOURS
from medfl_server.reports.paper.availability import availability_sections
from medfl_server.reports.paper.checklists.annex_iv import ANNEX_IV
from medfl_server.reports.paper.checklists.claim import CLAIM
from medfl_server.reports.paper.checklists.item import Checklist, fill
from medfl_server.reports.paper.checklists.tripod import TRIPOD
from medfl_server.reports.paper.cost import in_words as cost_in_words
from medfl_server.reports.paper.facts import Facts, facts_of
from medfl_server.reports.paper.figures.all import FIGURE_NAMES, drawings
from medfl_server.reports.paper.figures.drawing import write_drawing
from medfl_server.reports.paper.paper import write_paper
from medfl_server.reports.paper.protocol import protocol_sections
from medfl_server.reports.paper.words import study as study_words
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.engine.simulation import run_study

FEWEST_FILLED = 28  # of CLAIM's 44 items
PLAN = """\
plan: 1
study: small
seed: 3
task: {type: binary, classes: [normal, opacity]}
images: {modality: [CR, DX], size: 24}
model: {name: small_cnn, norm: group}
training: {lr: 0.01, batch_size: 8}
federation: {rounds: 2, deadline_s: 60, statistics: true, participants: true}
evaluation: {validation: 0.25, test: 0.3, subgroups: [sex], primary: {metric: auc, value: 0.5}}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Three hospitals of 60 images, of which the last only scores, after two rounds."""
    folder = tmp_path_factory.mktemp("paper")
    sites = write_hospitals(folder / "hospitals", n_sites=3, n_images=60, seed=1)
    for place, site in enumerate(sites):
        role = "evaluate" if place == 2 else "train"
        with (site / "site.yaml").open("a") as file:
            file.write(f"policy: {{min_images: 5, min_cell: 1, role: {role}}}\n")
    (folder / "plan.yaml").write_text(PLAN)
    made = create_study(folder / "run", folder / "plan.yaml")
    run_study(made, virtual_sites(folder / "hospitals", made.plan))
    return made


@pytest.fixture(scope="module")
def folder(study: Study, tmp_path_factory: pytest.TempPathFactory) -> PaperFolder:
    return PaperFolder(write_paper(study, tmp_path_factory.mktemp("out")).readme.parent)


@pytest.fixture
def facts(study: Study) -> Facts:
    return facts_of(study)


def filled(checklist: Checklist, facts: Facts) -> set[str]:
    return {one.item.number for one in fill(checklist, facts).answers if one.is_filled}


def test_a_finished_run_fills_most_of_claim_and_empties_none(facts: Facts) -> None:
    found = fill(CLAIM, facts).answers

    assert [one.item.number for one in found] == [str(n + 1) for n in range(44)]
    assert sum(one.is_filled for one in found) >= FEWEST_FILLED
    assert all(one.line.text.strip() and one.line.what.strip() for one in found)
    assert all(one.item.hint for one in found)


def test_what_no_run_knows_is_for_people_to_write(facts: Facts) -> None:
    found = {one.item.number: one.line for one in fill(CLAIM, facts).answers}

    for number in ("3", "5", "14", "15", "16", "17", "18", "21", "31", "34", "41", "44"):
        assert found[number].whose == YOURS, number


@pytest.mark.parametrize(
    ("kinds", "numbers"),
    [
        ((Statistics,), {"13", "35", "36"}),
        ((Finished, ScoredOnTest), {"2", "32", "33", "37", "38", "39", "40", "43"}),
    ],
)
def test_an_item_whose_fact_is_gone_is_for_people_to_write(
    kinds: tuple[type, ...], numbers: set[str], facts: Facts
) -> None:
    less = replace(facts, events=[one for one in facts.events if not isinstance(one, kinds)])

    assert filled(CLAIM, facts) - filled(CLAIM, less) >= numbers
    assert filled(CLAIM, less) < filled(CLAIM, facts)


def test_without_hospitals_outside_the_checklist_says_so(facts: Facts) -> None:
    less = [one for one in facts.events if not isinstance(one, ScoredOutside)]
    said = {
        one.item.number: one.line.text
        for one in fill(CLAIM, replace(facts, events=less)).answers
    }  # fmt: skip

    assert said["33"].startswith("No hospital outside the study scored the final model")
    assert "external" not in said["1"]


def test_without_scores_no_sentence_speaks_of_any(make_plan: MakePlan, tmp_path: Path) -> None:
    made = create_study(tmp_path / "run", make_plan())
    made.log.write("started", sites=["north"], sha256="00")
    made.log.write("finished", round=1, sha256="ab", sites={}, missing={"north": "not there"})
    facts = facts_of(made)

    said = {one.item.number: one.line for one in fill(CLAIM, facts).answers}

    assert said["40"].text == (
        "No hospital scored it, so nothing says how good the model is. Not as planned: 1 missed "
        "answers."
    )
    assert all(said[number].whose == YOURS for number in ("2", "32", "37", "38", "39"))


def test_the_other_checklists_have_all_their_items_in_order(facts: Facts) -> None:
    numbers = [item.number for item in TRIPOD.items]
    assert len(numbers) == len({*numbers}) == 52
    assert [*dict.fromkeys(int("".join(filter(str.isdigit, n))) for n in numbers)] == [
        *range(1, 28)
    ]
    points = [item.number for item in ANNEX_IV.items]
    letters = "abcdefgh"
    assert points == [f"{n}({a})" for n in (1, 2) for a in letters] + list("3456789")
    assert len(filled(TRIPOD, facts)) >= 28
    assert len(filled(ANNEX_IV, facts)) >= 10


def test_each_file_is_there_and_told_of(folder: PaperFolder) -> None:
    text = folder.readme.read_text()

    names = [name for name, one in vars(PaperFolder).items() if isinstance(one, property)]
    assert all(getattr(folder, name).exists() for name in names)
    assert all(getattr(folder, name).name in text for name in names)
    for name in ("flow", "forest", "roc", "calibration", "curve-loss", "curve-auc"):
        assert f"figures/{name}" in text
        assert folder.figure(name, "pdf").read_bytes().startswith(b"%PDF")
        assert "<text" in folder.figure(name, "svg").read_text()  # text stays text
        assert len(folder.figure(name, "csv").read_text().splitlines()) > 2
    drawn = {path.stem for path in folder.figure_folder().iterdir()}
    assert all(any(fnmatch(stem, name) for name in FIGURE_NAMES) for stem in drawn)


def test_no_file_names_a_hospital_unless_that_is_wished(
    folder: PaperFolder, study: Study, tmp_path: Path
) -> None:
    for path in folder.path.rglob("*"):
        if path.is_file():
            assert b"site-" not in path.read_bytes(), path
    assert "site A" in folder.results.read_text()

    write_paper(study, tmp_path, has_names=True)

    assert "site-1" in PaperFolder(tmp_path).results.read_text()


def test_a_figure_of_the_same_log_has_the_same_bytes(
    folder: PaperFolder, facts: Facts, tmp_path: Path
) -> None:
    first = drawings(facts)[0]

    write_drawing(first, PaperFolder(tmp_path))

    for ending in ("pdf", "svg", "csv"):
        again = PaperFolder(tmp_path).figure(first.name, ending)
        assert folder.figure(first.name, ending).read_bytes() == again.read_bytes()


def test_numbers_are_those_of_the_report(folder: PaperFolder, facts: Facts) -> None:
    with folder.numbers.open() as file:
        rows = [*csv.DictReader(file)]

    (auc,) = [
        row for row in rows
        if (row["part"], row["where"], row["score"]) == ("outside", "all sites", "auc")
    ]  # fmt: skip
    assert facts.outside is not None
    assert auc["images"] == "60" == str(sum(r.n_scored or 0 for r in facts.outside.sites.values()))
    assert f"AUC {auc['value']}" in folder.results.read_text()
    assert {row["part"] for row in rows} == {"validation", "test", "outside"}
    single = {row["score"] for row in rows if row["where"] == "site A"}
    assert single == {"auc"}  # other scores of a single site would tell of few images


def test_citation_and_references_name_what_was_used(folder: PaperFolder, facts: Facts) -> None:
    cited = yaml.safe_load(folder.citation.read_text())
    entries = folder.references.read_text()

    assert cited["cff-version"] == "1.2.0"
    assert "YOU WRITE THIS" in cited["title"]
    assert facts.plan.hash() in cited["identifiers"][0]["value"]
    assert facts.finished is not None
    assert facts.finished.sha256 in cited["identifiers"][1]["value"]
    for title in ("Flower: A Friendly", "PyTorch", "Communication-Efficient Learning", "CLAIM"):
        assert title in entries
    assert entries.count("@") == entries.count("\n}\n")
    assert "@inproceedings{mcmahan2017," in entries
    assert "@article{delong1988," in entries


def test_a_folder_with_files_of_somebody_else_is_refused(study: Study, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")

    with pytest.raises(ConfigError, match="has other files"):
        write_paper(study, tmp_path)

    assert (tmp_path / "README.md").read_text() == "mine"


def test_an_unfinished_study_gets_a_draft(make_plan: MakePlan, tmp_path: Path) -> None:
    made = create_study(tmp_path / "run", make_plan())
    made.log.write("started", sites=["north"], sha256="00")

    write_paper(made)

    folder = PaperFolder(made.files.paper)
    for path in (folder.protocol, folder.results, folder.claim, folder.readme):
        assert "DRAFT: the study is not finished (0 of 3 rounds made)" in path.read_text()
    assert "there are no results yet" in folder.results.read_text()
    found = filled(CLAIM, facts_of(made))
    assert not found & {"2", "7", "32", "33", "35", "36", "37", "38", "39", "40", "43"}
    assert {"8", "9", "19", "20", "22", "24", "25", "28"} <= found


def test_a_simulation_says_so_and_counts_those_who_trained(facts: Facts) -> None:
    read = DataRead.of(
        {
            "folder": {
                "images": 9,
                "patients": 9,
                "left_out": {},
                "left_out_parts": {},
                "own_patients": 0,
            }
        }
    )
    played = replace(facts, events=[*facts.events, read])
    more = replace(facts, events=[Started({"sites": ["silent"], "time": 1.0}), *facts.events])

    said = (
        " ".join(
            text
            for section in [*availability_sections(played), *protocol_sections(played)]
            for text in section.texts
        )
        + study_words.abstract(played)
        + study_words.availability(played)
        + cost_in_words(played)
    )

    assert "Simulated hospitals on one machine" in said
    assert "2 simulated hospitals on one machine trained it together" in said
    for word in ("had no access", "stayed", "withheld there", "at the hospitals, and"):
        assert word not in said, word
    assert "2 hospitals trained it together" in study_words.abstract(more)
    assert len(more.sites) == 3
