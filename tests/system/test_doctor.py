"""Both doctors against one running coordinator, at which they only look."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import PLAN

from medfl_common.wire.protocol import PROTOCOL
from medfl_server.roster.certificates import create_authority
from medfl_sim.local.deployment import Deployment, command, wait_until

pytestmark = pytest.mark.processes

ANSWER_S = 90.0  # for what takes seconds on an idle machine
Checks = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def running(
    hospitals_master: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A coordinator that waits for its only hospital."""
    found = Deployment(tmp_path_factory.mktemp("deployment"))
    site, plan = found.folder / "site-1", found.folder / "plan.yaml"
    shutil.copytree(hospitals_master / "site-1", site)
    plan.write_text(PLAN)
    found.create(plan, {"site-1": site})
    found.start_server()
    said = found.folder / "server.log"
    wait_until(lambda: "waiting for" in said.read_text(), ANSWER_S, "the coordinator")
    yield found
    found.stop()


def doctor(side: str, *arguments: object) -> tuple[int, Checks]:
    """Run one doctor; give its status and its findings by name."""
    line = [*command(side), "doctor", *map(str, arguments), "--json"]
    done = subprocess.run(line, stdout=subprocess.PIPE, check=False)
    return done.returncode, {f["check"]: f for f in json.loads(done.stdout)["checks"]}


def test_the_sites_doctor_says_what_is_wrong_and_who_acts(
    running: Deployment, tmp_path: Path
) -> None:
    site = Path(shutil.copytree(running.folder / "site-1", tmp_path / "site-1"))

    status, found = doctor("client", site, "--plan", running.study / "plan.yaml")

    assert status == 0
    assert {f["state"] for f in found.values()} == {"ok", "not checked"}
    assert found["coordinator"]["seen"].endswith(f"protocol {PROTOCOL} as this site does")
    assert found["clock"]["seen"].startswith("the same time")

    (site / "identity.key").chmod(0o644)
    create_authority(tmp_path / "other", "other", "localhost")
    shutil.copy(tmp_path / "other" / "tls" / "ca.crt", site / "ca.crt")
    status, found = doctor("client", site)
    assert status == 1
    assert (found["keys"]["state"], found["keys"]["who"]) == ("fail", "you")
    assert "is not signed by" in found["encryption (TLS)"]["seen"]
    assert "ask the coordinator for the ca.crt" in found["encryption (TLS)"]["todo"]
    assert "clock" not in found


def test_the_coordinators_doctor_knows_it_and_its_name(running: Deployment) -> None:
    status, found = doctor("server", running.study, "--port", running.port)

    assert status == 0
    assert {f["state"] for f in found.values()} == {"ok"}
    assert "used by this study's medfl-server, process" in found["port"]["seen"]
    assert "answers with this study's certificate" in found["from outside"]["seen"]
