"""The roster changes while a study runs: a site joins late, makes new keys, is revoked."""

import json
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.run.log import Line, read_lines
from medfl_sim.local.deployment import Deployment, run_here, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]

ANSWER_S = 300.0


def rounds(deployment: Deployment) -> list[Line]:
    return [e for e in read_lines(deployment.study / "log.jsonl") if e["event"] == "round"]


def wait_for_round(deployment: Deployment, is_with_site_2: bool) -> None:
    """Wait for a round after the ones made by now, with site-2 or without."""
    n = len(rounds(deployment))
    what = f"a round {'with' if is_with_site_2 else 'without'} site-2"
    wait_until(
        lambda: any(("site-2" in e["sites"]) == is_with_site_2 for e in rounds(deployment)[n:]),
        ANSWER_S,
        what,
    )


def test_a_site_joins_late_changes_its_keys_and_is_revoked_while_the_study_runs(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    plan = make_plan(federation={"rounds": 1000, "min_sites": 1, "deadline_s": 30})
    one, two = hospitals / "site-1", hospitals / "site-2"
    deployment.create(plan, {"site-1": one})
    server = deployment.start_server()
    deployment.start_client(one)
    wait_for_round(deployment, is_with_site_2=False)

    deployment.init_site(two)
    client = deployment.start_client(two)
    run_here("server", "enrol", deployment.study, "site-2", two / "identity.pub")
    wait_for_round(deployment, is_with_site_2=True)

    client.terminate()
    client.wait()
    run_here("client", "new-keys", two)
    deployment.start_client(two)
    run_here(
        "server", "enrol", deployment.study, "site-2", two / "identity.pub", "--replace"
    )  # fmt: skip
    wait_for_round(deployment, is_with_site_2=True)

    run_here("server", "revoke", deployment.study, "site-2")
    wait_for_round(deployment, is_with_site_2=False)
    n = len(rounds(deployment))
    said = deployment.folder / "site-2.log"
    gone = "it has revoked or replaced them"
    wait_until(lambda: gone in " ".join(said.read_text().split()), ANSWER_S, "a word to the site")
    wait_until(lambda: len(rounds(deployment)) > n + 2, ANSWER_S, "rounds")
    assert all("site-2" not in event["sites"] for event in rounds(deployment)[n:])
    assert server.poll() is None
    received = {e["sites"]["site-1"]["sha256"] for e in rounds(deployment)}
    ledger = (one / "state" / "ledger.jsonl").read_text().splitlines()
    assert received <= {json.loads(line)["sha256"] for line in ledger}  # both ends name the same
