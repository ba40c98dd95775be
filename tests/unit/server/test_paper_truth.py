"""What a paper's files say is true of the run, and names no hospital."""

from pathlib import Path

import yaml

from medfl_common.plan.plan import load_plan
from medfl_common.run.events import DataRead
from medfl_common.run.paper_folder import PaperFolder
from medfl_server.reports.paper.citation import citation
from medfl_server.reports.paper.facts import facts_of
from medfl_server.reports.paper.paper import write_paper
from medfl_server.reports.paper.references import SPECIAL
from medfl_server.study.run_directory import Study, create_study

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


def test_no_comment_reason_or_name_of_a_study_tells_of_a_hospital_unsaid(tmp_path: Path) -> None:
    named = create_named(tmp_path)

    folder = PaperFolder(write_paper(named).readme.parent)

    for path in folder.path.rglob("*"):
        if path.is_file():
            assert b"Nordstadt" not in path.read_bytes(), path
    assert load_plan(folder.plan_file).hash() == named.plan.hash()
    assert "WARNING: the study's name" in folder.readme.read_text()
    write_paper(named, tmp_path / "names", has_names=True)
    assert "Nordstadt" in (PaperFolder(tmp_path / "names")).plan_file.read_text()


def create_named(folder: Path) -> Study:
    """Make a study whose comment, name and reasons tell of hospitals."""
    plan = folder / "plan.yaml"
    plan.write_text("# agreed with Nordstadt\n" + PLAN.replace("study: small", "study: north-xray"))
    made = create_study(folder / "run", plan)
    made.log.write("started", sites=["north"], sha256="00")
    made.log.add(DataRead.of({"/data/Nordstadt": {
        "images": 9, "patients": 9, "left_out": {"view Nordstadt PA: not in the plan": 2},
        "left_out_parts": {}, "own_patients": 0,
    }}))  # fmt: skip
    return made


def test_a_bibtex_entry_escapes_what_tex_reads_as_more() -> None:
    assert "a_b $ ^ ~".translate(SPECIAL) == r"a\_b \$ \^{} \~{}"


def test_a_citation_leaves_the_day_of_release_to_its_authors(tmp_path: Path) -> None:
    made = create_named(tmp_path)
    made.log.write("finished", round=2, last=2, sha256="ab", sites={}, missing={})

    text = citation(facts_of(made))

    assert "# YOU WRITE THIS: the day on which it is published" in text
    assert yaml.safe_load(text)["date-released"]
