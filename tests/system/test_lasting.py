"""A study lasts, as real processes: longer, paused, branched, and without a hospital that left."""

import json
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.errors import RunError
from medfl_common.plan.plan import load_plan
from medfl_common.run.log import Line, read_lines
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study
from medfl_sim.local.deployment import Deployment, Process, run_here, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.processes]

ANSWER_S = 900.0  # for what takes seconds on an idle machine


class Lasting:
    """Two hospitals whose clients are started for each part of the study's life."""

    def __init__(self, deployment: Deployment, hospitals: Path) -> None:
        self.deployment = deployment
        self.sites = {name: hospitals / name for name in ("site-1", "site-2")}
        self.server: Process | None = None

    def start(self, *names: str, how: str = "run") -> dict[str, Process]:
        for name in names:
            (self.deployment.folder / f"{name}.log").unlink(missing_ok=True)
        self.server = self.deployment.start_server(how=how)
        return {name: self.deployment.start_client(self.sites[name]) for name in names}

    def finish(self, clients: dict[str, Process]) -> None:
        assert self.server is not None
        assert self.server.wait(ANSWER_S) == 0
        assert [client.wait(ANSWER_S) for client in clients.values()] == [0] * len(clients)

    def said(self, name: str) -> str:
        return " ".join((self.deployment.folder / f"{name}.log").read_text().split())

    def wait_for(self, words: str, *names: str) -> None:
        wait_until(lambda: all(words in self.said(n) for n in names), ANSWER_S, words)

    def approve(self, name: str) -> str:
        return run_here("client", "approve", self.sites[name], "--yes")

    def log(self, kind: str) -> list[Line]:
        return [x for x in read_lines(self.deployment.study / "log.jsonl") if x["event"] == kind]

    def members(self, name: str, plan_hash: str) -> dict[str, set[str]]:
        folder = self.sites[name] / "state" / "patient-sets"
        found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
        (one,) = (facts for facts in found if facts["plan"] == plan_hash)
        return {part: set(one[part]) for part in ("train", "validation", "test")}


def keys(site: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(site.glob("*.key"))}


def test_a_study_is_extended_paused_branched_and_goes_back_before_a_hospital_came(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = Lasting(deployment, hospitals)
    sections = {"evaluation": {"test": 0.45}, "federation": {"rounds": 1, "deadline_s": 600}}
    first = make_plan(**sections)
    deployment.create(first, study.sites)
    study.finish(study.start(*study.sites))
    before = {name: keys(site) for name, site in study.sites.items()}

    extended = _extend_and_pause(study)
    _as_in_a_simulation(study, hospitals, tmp_path, make_plan)
    branched = _branch(study, make_plan, tmp_path)

    assert {name: keys(site) for name, site in study.sites.items()} == before
    for name, site in study.sites.items():
        assert len([*(site / "state" / "splits").iterdir()]) == 1
        parts = [study.members(name, one) for one in (load_plan(first).hash(), extended, branched)]
        assert len(parts[0]["test"]) >= 10
        assert parts[0] == parts[1] == parts[2]
    _without_the_second(study)


def _extend_and_pause(study: Lasting) -> str:
    """Add a round; pause while the hospitals have not approved it; go on."""
    folder = study.deployment.study
    said = run_here("server", "extend", folder, "--rounds", 1)
    assert "federation.rounds: 1 -> 2" in said
    clients = study.start(*study.sites)
    study.wait_for("was changed since it was approved", *study.sites)
    run_here("server", "pause", folder, "--now", "--message", "back on Monday")
    assert study.server is not None
    assert study.server.wait(ANSWER_S) == 3
    study.wait_for('the coordinator has paused it, and says: "back on Monday"', *study.sites)
    with pytest.raises(RunError, match="ended with 3"):
        run_here("server", "run", folder, "--port", study.deployment.port)
    study.server = study.deployment.start_server(how="resume")
    for name in study.sites:
        text = study.approve(name)
        assert "goes on with a study that is approved here" in text
        assert "federation.rounds" in text
        assert "under that plan rounds up to 1 were asked here" in " ".join(text.split())
        assert "which images medfl reads" not in text
    study.finish(clients)
    assert [line["round"] for line in study.log("round")] == [1, 2]
    return load_plan(folder / "plan.yaml").hash()


def _as_in_a_simulation(
    study: Lasting, hospitals: Path, tmp_path: Path, make_plan: MakePlan
) -> None:
    """The extended study has the bits of one that had both rounds from the start."""
    long = make_plan("long.yaml", evaluation={"test": 0.45}, federation={"rounds": 2})
    whole = create_study(tmp_path / "whole", long)
    sites = {name: virtual_sites(hospitals, whole.plan)[name] for name in study.sites}
    run_study(whole, sites)
    assert study.log("finished")[0]["sha256"] == whole.log.lines("finished")[0]["sha256"]


def _branch(study: Lasting, make_plan: MakePlan, tmp_path: Path) -> str:
    """Make another study of the first one's model, on the same directories."""
    federation = {"rounds": 1, "keep_every": 1, "deadline_s": 600}
    plan = make_plan("next.yaml", evaluation={"test": 0.45}, federation=federation)
    plan.write_text(plan.read_text().replace("study: small", "study: next"))
    new = tmp_path / "next"
    said = run_here("server", "branch", study.deployment.study, new, "--plan", plan)
    assert "who trains, validates and tests is as in small" in " ".join(said.split())
    study.deployment.study = new
    clients = study.start(*study.sites)
    study.wait_for("is not approved here", *study.sites)
    for name in study.sites:
        assert "next goes on with a study that is approved here" in study.approve(name)
    study.finish(clients)
    return load_plan(new / "plan.yaml").hash()


def _without_the_second(study: Lasting) -> None:
    """One hospital's updates are out of the model; the other answers its rounds anew."""
    folder = study.deployment.study
    run = json.loads((folder / "study.json").read_text())["run"]
    said = " ".join(run_here("server", "without", folder, "site-2", "--dry-run").split())
    assert "1 round is made again; the models of rounds 1 to 1 hold site-2's updates" in said
    assert json.loads((folder / "study.json").read_text())["run"] == run
    run_here("server", "without", folder, "site-2", "--yes")
    clients = study.start("site-1")
    study.wait_for(f"ran here before as run {run[:8]}", "site-1")
    text = " ".join(study.approve("site-1").split())
    assert "so a study goes on without a hospital whose updates were taken out" in text
    study.finish(clients)
    assert [[*line["sites"]] for line in study.log("round")] == [["site-1"]]  # type: ignore[misc]
