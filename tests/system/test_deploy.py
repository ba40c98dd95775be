"""The files under deploy/, as far as they can be checked without systemd or Docker running."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.conftest import ROOT, MakePlan

from medfl_client.commands.run import free_port
from medfl_sim.local.deployment import Deployment, command, wait_until

DEPLOY = ROOT / "deploy"
EXPOSURE = 1.5  # of 10, by systemd's own count
SIDES = ("client", "server")
WAIT_S = 300.0  # for what takes seconds on an idle machine


@pytest.mark.parametrize("side", SIDES)
def test_systemd_takes_the_units_and_finds_little_exposed(side: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    unit = tmp_path / f"medfl-{side}@.service"
    text = (DEPLOY / "systemd" / unit.name).read_text()
    unit.write_text(text.replace(f"/opt/medfl/bin/medfl-{side} ", f"{shutil.which('true')} "))

    def analyze(*arguments: str) -> str:
        command = ["systemd-analyze", *arguments, str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout

    analyze("verify", "--man=no")
    shown = analyze("security", "--offline=true", "--no-pager")

    found = re.search(r"exposure level for .*: ([0-9.]+)", shown)
    assert found is not None
    assert float(found[1]) <= EXPOSURE


@pytest.mark.parametrize("side", SIDES)
def test_no_unit_breaks_the_workers_own_limits(side: str) -> None:
    lines = (DEPLOY / "systemd" / f"medfl-{side}@.service").read_text().splitlines()
    settings = [line for line in lines if line and not line.startswith("#")]

    assert "LimitCORE=0" in settings
    assert not [line for line in settings if re.match("Limit(AS|DATA|FSIZE)=", line)]
    assert not [line for line in settings if "~" in line and "@resources" in line]
    assert not [line for line in settings if line.startswith("MemoryDenyWriteExecute")]


def test_containers_are_read_only_and_only_the_server_has_a_port() -> None:
    services = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())["services"]

    assert services.keys() == set(SIDES)
    for side, service in services.items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["user"] == "10001:10001"
        assert ("ports" in service) == (side == "server")
    assert [v for v in services["client"]["volumes"] if "dicom" in v] == ["/srv/dicom:/data:ro"]


def health_check() -> list[str]:
    """Give the command of the server image's health check."""
    text = (DEPLOY / "docker" / "Dockerfile.server").read_text()
    found = re.search(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", text, re.MULTILINE)
    assert found is not None
    return [str(part) for part in json.loads(found[1])]


@pytest.mark.slow
@pytest.mark.processes
def test_health_check_and_metrics_of_both_ends_answer_while_a_study_runs(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    deployment, site = Deployment(tmp_path), hospitals / "site-1"
    deployment.create(make_plan(federation={"rounds": 500}), {"site-1": site})
    check = health_check()[2].replace("/study/", f"{deployment.study}/")
    check = check.replace(":8443/", f":{deployment.port}/")
    ports = {side: free_port() for side in SIDES}
    server = ["run", deployment.study, "--port", deployment.port, "--bind", "127.0.0.1"]
    started = [
        start(side, tmp_path / f"{side}.log", *arguments, "--metrics-port", ports[side])
        for side, arguments in (("server", server), ("client", ["run", site]))
    ]

    try:
        wait_until(lambda: is_good([sys.executable, "-c", check]), WAIT_S, "the health check")
        wait_until(
            lambda: scrape(ports["server"]).get("medfl_rounds_made", 0) >= 2, WAIT_S, "two rounds"
        )
        seen, left = scrape(ports["server"]), scrape(ports["client"])
    finally:
        for process in started:
            process.terminate()
            process.wait(WAIT_S)
    assert seen["medfl_sites_connected"] == seen["medfl_sites_answered"] == 1
    assert seen["medfl_rounds_planned"] == 500
    assert left["medfl_client_messages_total"] >= 2
    assert left["medfl_client_refused_total"] == left["medfl_client_failed_total"] == 0


def start(side: str, log: Path, *arguments: object) -> "subprocess.Popen[bytes]":
    with log.open("wb") as file:
        return subprocess.Popen([*command(side), *map(str, arguments)], stdout=file, stderr=file)


def is_good(check: list[str]) -> bool:
    return subprocess.run(check, stderr=subprocess.DEVNULL, check=False).returncode == 0


def scrape(port: int) -> dict[str, float]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return {sample.name: sample.value for f in families for sample in f.samples}
    except OSError:
        return {}
