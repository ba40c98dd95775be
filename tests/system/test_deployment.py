"""Real coordinators and hospitals as processes on loopback; some of them are killed."""

import json
import shutil
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.errors import RunError
from medfl_common.run.log import Line, read_lines
from medfl_sim.local.deployment import Deployment, run_command, run_here, wait_until

pytestmark = pytest.mark.processes

SITES = ("site-1", "site-2", "site-3")
ANSWER_S = 300.0  # for what takes seconds on an idle machine


def log(deployment: Deployment, kind: str) -> list[Line]:
    events = read_lines(deployment.study / "log.jsonl") if deployment.study.exists() else []
    return [event for event in events if event["event"] == kind]


@pytest.mark.slow
def test_a_killed_hospital_misses_a_round_and_is_back_when_started_again(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    plan = make_plan(
        federation={"rounds": 100, "min_sites": 2, "deadline_s": 30},
        training={"epochs": 30, "lr": 0.001},  # a second or more a round: long enough to be hit
    )
    deployment.create(plan, {name: hospitals / name for name in SITES})
    server = deployment.start_server()
    clients = {name: deployment.start_client(hospitals / name) for name in SITES}

    wait_until(lambda: len(log(deployment, "round")) >= 1, ANSWER_S, "the first round")
    clients["site-2"].kill()
    clients["site-2"].wait()
    wait_until(
        lambda: any("site-2" in event["missing"] for event in log(deployment, "round")),
        ANSWER_S,
        "a round without site-2",
    )
    deployment.start_client(hospitals / "site-2")
    n_without = len(log(deployment, "round"))

    wait_until(
        lambda: any("site-2" in e["sites"] for e in log(deployment, "round")[n_without:]),
        2 * ANSWER_S,
        "a later round with site-2",
    )
    rounds = log(deployment, "round")
    assert "site-2" in rounds[0]["sites"]
    assert [event["round"] for event in rounds] == [*range(1, len(rounds) + 1)]
    assert all({"site-1", "site-3"} <= set(event["sites"]) for event in rounds)
    assert server.poll() is None


@pytest.mark.slow
def test_an_unknown_key_is_told_what_to_send_and_is_let_in_once_enrolled(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    two = {name: hospitals / name for name in ("site-1", "site-2")}
    deployment.create(make_plan(federation={"rounds": 1}), {"site-1": two["site-1"]})
    deployment.init_site(two["site-2"])
    server = deployment.start_server()

    deployment.start_client(two["site-2"])

    said = deployment.folder / "site-2.log"
    lines = (two["site-2"] / "identity.pub").read_text().splitlines()
    wait_until(lambda: all(x in said.read_text() for x in lines), ANSWER_S, "the lines to send")
    assert "does not know this site's keys (yet, or no more). Send it these" in said.read_text()
    assert log(deployment, "round") == []
    run_here("server", "enrol", deployment.study, "site-2", two["site-2"] / "identity.pub")
    deployment.start_client(two["site-1"])
    assert server.wait(2 * ANSWER_S) == 0
    (made,) = log(deployment, "round")
    assert set(made["sites"]) == {"site-1", "site-2"}


def test_another_authoritys_certificate_is_not_trusted(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    deployment.create(make_plan(), {"site-1": hospitals / "site-1"})
    run_here("server", "init", tmp_path / "other", "--plan", make_plan(), "--host", "localhost")
    shutil.copy(tmp_path / "other" / "tls" / "ca.crt", hospitals / "site-1" / "ca.crt")
    deployment.start_server()

    deployment.start_client(hospitals / "site-1")

    said = deployment.folder / "site-1.log"
    wait_until(lambda: "is not signed by" in said.read_text(), ANSWER_S, "a warning")
    assert log(deployment, "round") == []


def test_check_shows_what_would_leave_and_sends_nothing(
    hospitals: Path, make_plan: MakePlan
) -> None:
    said = run_command("client", "check", hospitals / "site-1", "--plan", make_plan())

    assert "nothing has left" in said
    assert "40 images of" in said
    assert "no patient in two of them" in said
    for name in ("0.weight", "n_images", "confusion"):
        assert name in said
    assert not (hospitals / "site-1" / "state" / "ledger.jsonl").exists()


def test_index_answers_people_and_scripts(hospitals: Path, make_plan: MakePlan) -> None:
    site = hospitals / "site-1"

    said = run_command("client", "index", site, "--plan", make_plan())
    facts = json.loads(run_command("client", "index", site, "--json"))

    assert "WARN. Almost: 40 samples of" in said
    assert "Nothing has left this site" in said
    assert facts["verdict"] == "warn"
    assert facts["labels"].keys() == {"normal", "opacity"}
    assert (site / "readiness.html").exists()
    shutil.rmtree(site / "dicom")
    with pytest.raises(RunError, match="is not a folder that can be read"):
        run_command("client", "index", site)
