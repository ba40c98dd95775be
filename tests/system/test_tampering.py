"""A man who ends TLS with a trusted certificate changes messages; the model stays what it is."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, RecordDict
from tests.conftest import MakePlan
from tests.system.man_in_the_middle import Man

from medfl_client.commands.run import free_port
from medfl_client.config.secret_keys import site_secret
from medfl_common.run.folder import RunFolder
from medfl_common.run.log import read_lines
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study
from medfl_sim.local.deployment import Deployment, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]

ANSWER_S = 480.0  # torch alone takes a minute on a busy machine
HOW = {1: "weights", 2: "config", 3: "replay", 4: "swap", 5: "reply"}


class Tamperer:
    """Touches all that goes to site-3 and comes from it, each round in another way."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str, int], RecordDict] = {}
        self.touched: list[str] = []

    def task(self, content: RecordDict) -> RecordDict:
        facts = content.config_records["task"]
        kind, round_ = str(facts["kind"]), int(str(facts["round"]))
        if kind == "goodbye":
            return content
        site = str(facts["site"])
        self.seen[site, kind, round_] = content.copy()
        if site != "site-3":
            return content
        how = HOW.get(round_, "weights") if kind == "train" else "weights"
        self.touched.append(how)
        if how == "weights":
            array = content.array_records["weights"]["flat"].numpy().copy()
            array[0] += np.float32(1e-3)
            content["weights"] = ArrayRecord({"flat": Array(array)})
        elif how == "config":
            facts["round"] = 3
        elif how == "replay":
            return self.seen["site-3", "train", 1]
        elif how == "swap":
            other = ("site-1", "train", round_)
            wait_until(lambda: other in self.seen, ANSWER_S, "the other site's task")
            return self.seen[other]
        return content

    def reply(self, content: RecordDict) -> RecordDict:
        if self.touched[-1] == "reply":
            content.metric_records["numbers"]["train_loss"] = 0.125
        return content


def test_whoever_ends_tls_changes_nothing_but_that_what_he_touches_is_refused(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 5, "min_sites": 2, "deadline_s": 600})
    for name in ("site-1", "site-2"):
        site_secret(hospitals / name / "state")  # the split follows from it
        shutil.copytree(hospitals / name, tmp_path / "two" / name)
    alone = create_study(tmp_path / "simulated", plan)
    run_study(alone, virtual_sites(tmp_path / "two", alone.plan))
    deployment.create(plan, {n: hospitals / n for n in ("site-1", "site-2", "site-3")})
    tamperer, tls = Tamperer(), RunFolder(deployment.study).ca.parent
    server, men = deployment.start_server(), []
    for name in ("site-1", "site-2", "site-3"):
        reply = tamperer.reply if name == "site-3" else lambda content: content
        men.append(Man(port := free_port(), deployment.port, tls, tamperer.task, reply))
        site_file = hospitals / name / "site.yaml"
        words = site_file.read_text().replace(f"localhost:{deployment.port}", f"localhost:{port}")
        site_file.write_text(words)
        deployment.start_client(hospitals / name)

    assert server.wait(ANSWER_S) == 0
    for man in men:
        man.close()

    events = read_lines(RunFolder(deployment.study).log)
    (finished,) = [e for e in events if e["event"] == "finished"]
    assert finished["sha256"] == alone.log.lines("finished")[0]["sha256"]
    assert {*HOW.values()} <= {*tamperer.touched}
    rounds = [e for e in events if e["event"] == "round"]
    assert all([*e["sites"]] == ["site-1", "site-2"] for e in rounds)
    why = [e["missing"]["site-3"] for e in rounds]
    assert all("MEDFL-E530" in why[at] for at in (0, 1, 3)), why
    assert why[2].startswith("quarantined: the reply belongs to another"), why
    assert "not signed with the key" in why[4], why
    assert why[4].startswith("quarantined: ")
    assert "MEDFL-E530" in (deployment.folder / "site-3.log").read_text()
    assert "MEDFL-E530" not in (deployment.folder / "site-1.log").read_text()
