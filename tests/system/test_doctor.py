"""Both doctors against one running coordinator, at which they only look."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from tests.conftest import PLAN

from medfl_client.config.identity import replace_identity
from medfl_common.wire.protocol import PROTOCOL
from medfl_server.roster.certificates import create_authority
from medfl_sim.local.deployment import Deployment, command, wait_until

pytestmark = pytest.mark.processes

ANSWER_S = 300.0  # for what takes seconds on an idle machine
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


@pytest.mark.slow
def test_the_sites_doctor_says_what_is_wrong_and_who_acts(
    running: Deployment, tmp_path: Path
) -> None:
    site = Path(shutil.copytree(running.folder / "site-1", tmp_path / "site-1"))

    status, found = doctor("client", site, "--plan", running.study / "plan.yaml")

    assert status == 0
    assert {f["state"] for f in found.values()} == {"ok"}
    assert found["coordinator"]["seen"].endswith(f"protocol {PROTOCOL} as this site does")
    assert found["clock"]["seen"].startswith("the same time")
    assert (found["enrolment"]["state"], found["enrolment"]["seen"]) == (
        "ok",
        "enrolled as <site>",
    )

    (site / "identity.key").chmod(0o644)
    create_authority(tmp_path / "other", "other", "localhost")
    shutil.copy(tmp_path / "other" / "tls" / "ca.crt", site / "ca.crt")
    status, found = doctor("client", site)
    assert status == 1
    assert (found["keys"]["state"], found["keys"]["who"]) == ("fail", "you")
    assert "is not signed by" in found["encryption (TLS)"]["seen"]
    assert "ask the coordinator for the ca.crt" in found["encryption (TLS)"]["todo"]
    assert "clock" not in found


@pytest.mark.slow
def test_a_site_whose_keys_the_coordinator_does_not_know_is_not_ready(
    running: Deployment, tmp_path: Path
) -> None:
    site = Path(shutil.copytree(running.folder / "site-1", tmp_path / "site-1"))
    replace_identity(site, "site-1")

    status, found = doctor("client", site)

    assert (status, found["clock"]["state"]) == (1, "ok")
    assert found["enrolment"]["seen"] == "the coordinator does not know these keys"
    assert "for `medfl-server enrol`: ecdsa-sha2-nistp384 " in found["enrolment"]["todo"]

    for key in ("identity.key", "signing.key"):  # one of the two is the enrolled one
        site = Path(shutil.copytree(running.folder / "site-1", tmp_path / key))
        replace_identity(site, "site-1")
        shutil.copy(running.folder / "site-1" / key, site / key)
        publish(site)
        status, found = doctor("client", site)
        assert (status, found["enrolment"]["state"]) == (1, "fail")
    said = (running.folder / "server.log").read_text()
    assert "two clients" not in said.lower()


def publish(site: Path) -> None:
    """Write the identity.pub of a folder's private keys."""
    keys = [
        serialization.load_ssh_private_key((site / name).read_bytes(), None).public_key()
        for name in ("identity.key", "signing.key")
    ]
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    (site / "identity.pub").write_text(
        "".join(f"{k.public_bytes(*form).decode()} site-1\n" for k in keys)
    )


def test_the_coordinators_doctor_knows_it_and_its_name(running: Deployment) -> None:
    status, found = doctor("server", running.study, "--port", running.port)

    assert status == 0
    unknown = [name for name, f in found.items() if f["state"] == "not checked"]
    assert {f["state"] for f in found.values()} <= {"ok", "not checked"}
    # No hospital has answered yet, and nobody has compared fingerprints by telephone.
    assert sorted(unknown) == ["fingerprints", "versions"]
    assert "used by this study's medfl-server, process" in found["port"]["seen"]
    assert "answers with this study's certificate" in found["from outside"]["seen"]
