"""The reference names every file of a run directory and of a site directory."""

import re
from pathlib import Path

import pytest
from tests.conftest import ROOT, MakePlan
from tools.reference.directories import COORDINATOR, RUN, SIMULATION, SITE
from typer.testing import CliRunner

from medfl_client.cli import app as client
from medfl_sim.cli import app as sim

WILD = {
    "RUN": "[0-9a-f]{32}",
    "NNNN": "[0-9]{4}",
    "SITE": "[a-z0-9-]+",
    "FOLD": "[0-9]+",
    "HASH": "[0-9a-f]+",
}
BY_THE_HOSPITAL = ("dicom/", "labels.csv")  # its own data


def undocumented(folder: Path, *tables: dict[str, str]) -> list[str]:
    """List the files of a folder that no table names."""
    words = "|".join(WILD)
    patterns = [
        re.sub(words, lambda m: WILD[m[0]], re.escape(path)) + (".*" if path.endswith("/") else "")
        for table in tables
        for path in table
    ]
    files = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    known = re.compile("|".join(patterns))
    return sorted(f for f in files if not f.startswith(BY_THE_HOSPITAL) and not known.fullmatch(f))


def run(app: object, *words: object) -> None:
    result = CliRunner().invoke(app, [str(word) for word in words])  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output


@pytest.mark.slow
def test_every_file_of_a_simulation_is_in_the_reference(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 1, "statistics": True, "strategy": "ditto"})

    run(sim, "run", plan, "--data", hospitals, "--out", tmp_path / "run")

    assert undocumented(tmp_path / "run", RUN, SIMULATION) == []


def test_every_file_of_a_site_directory_is_in_the_reference(
    hospitals: Path, make_plan: MakePlan
) -> None:
    site, plan = hospitals / "site-1", make_plan()

    for words in (["init", site], ["index", site, "--plan", plan], ["audit", "page", site]):
        run(client, *words)
    run(client, "approve", site, plan, "--yes")

    assert undocumented(site, SITE) == []


def test_the_golden_directories_are_in_the_reference() -> None:
    golden = ROOT / "tests" / "golden"

    for site in (golden / "site").glob("site-*"):
        assert undocumented(site, SITE) == []
    for study in ("run", "stopped"):
        assert undocumented(golden / study, RUN, COORDINATOR) in ([], ["README.md"])
