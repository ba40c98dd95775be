"""The dossier: what the run knows is said, the rest is asked for, and each named test is there."""

import re
from pathlib import Path

import pytest
from tests.conftest import ROOT, MakePlan

from medfl_common.run.events import Event, RoundMade, Started
from medfl_common.run.log import RunLog
from medfl_common.run.site_reply import SiteReply
from medfl_server.reports.dossier.dossier import counts_of, parts_of, write_dossier
from medfl_server.reports.dossier.line import ALWAYS, FROM_RUN, YOURS
from medfl_server.reports.sections.privacy import bounded_sites
from medfl_server.study.run_directory import Study, create_study

NOISE = {
    "epsilon": 3.0, "delta": 1e-4, "draw": 256, "steps": 6, "multiplier": 2.77,
    "least_patients": 900,
}  # fmt: skip


def study_of(folder: Path, plan: Path) -> Study:
    """A study of two hospitals, of which one answers both rounds and one the first."""
    made = create_study(folder / "run", plan)
    log = RunLog(made.folder)
    log.add(Started.of(["north", "south"], "0" * 64))
    for round_, sites in ((1, ("north", "south")), (2, ("north",))):
        reply = SiteReply.of_work(
            n_images=941, n_steps=6, train_loss=0.0, seconds=10, bytes_received=1000, bytes_sent=9,
            sha256="0" * 64, for_round=None, score_counts=None, exact_auc=None, groups={},
            compared={},
        )  # fmt: skip
        facts = {"round": round_, "seconds": 1.0, "sites": {s: dict(reply.facts) for s in sites}}
        log.add(RoundMade({"sha256": "1" * 64, "missing": {}, **facts}))
    return made


@pytest.mark.parametrize("is_noisy", [False, True])
def test_most_lines_come_from_the_run_and_each_says_whose_it_is(
    is_noisy: bool, make_plan: MakePlan, tmp_path: Path
) -> None:
    changes = {"privacy": {"noise": NOISE}} if is_noisy else {}
    plan = make_plan(evaluation={"keep": "last"}, **changes)
    study = study_of(tmp_path, plan)

    page = write_dossier(study).read_text()
    text = study.files.dossier.read_text()

    counts = counts_of(parts_of(study))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert sum(row.endswith(f"| {FROM_RUN} |") for row in rows) == counts["known"] >= 20
    assert sum(row.endswith(f"| {YOURS} |") for row in rows) == counts["yours"] >= 25
    assert sum(row.endswith(f"| {ALWAYS} |") for row in rows) == counts["always"] >= 15
    assert f"{counts['known']} lines are from the run" in page
    assert "anonym" not in (page + text).lower()
    assert ("no bound" in text) != is_noisy
    assert ("epsilon of a patient at north" in text) == is_noisy


def test_epsilon_by_hospital_is_of_the_answers_that_it_gave(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(evaluation={"keep": "last"}, privacy={"noise": NOISE})
    study = study_of(tmp_path, plan)
    noise = study.plan.privacy.noise
    assert noise is not None

    found = bounded_sites(noise, study.log.read(Event))

    assert {site: one.n_steps for site, one in found.items()} == {"north": 12, "south": 6}
    assert found["south"].epsilon < found["north"].epsilon <= noise.epsilon


def test_each_test_that_the_dossier_names_is_there(make_plan: MakePlan, tmp_path: Path) -> None:
    noisy = make_plan(evaluation={"keep": "last"}, privacy={"noise": NOISE})

    write_dossier(study := study_of(tmp_path, noisy))

    named = re.findall(r"(tests/[\w/]+\.py)(?:: ([\w ]+))?", study.files.dossier.read_text())
    assert len(named) >= 9
    for path, sentence in named:
        name = f"def test_{sentence.strip().replace(' ', '_')}("
        assert not sentence or name in (ROOT / path).read_text(), (path, sentence)
