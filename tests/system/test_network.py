"""A hospital's network: its proxy, IPv6, redirects, idle limits; real processes on loopback."""

import json
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.system.connect_proxy import ConnectProxy

from medfl_client.commands.run import free_port
from medfl_common.run.folder import RunFolder
from medfl_common.run.log import read_lines
from medfl_server.roster.certificates import create_authority
from medfl_server.superlink.listener import HOLD_S
from medfl_sim.local.deployment import Deployment, run_here, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]

NAME = "fl.example.invalid"  # nobody but the proxy knows it
ANSWER_S = 480.0  # torch alone takes a minute on a busy machine
IDLE_S = 15.0


def create(deployment: Deployment, plan: Path, sites: list[Path], host: str, to: str) -> None:
    """Make a study under a host's name, and enrol sites that reach it at `to`."""
    run_here("server", "init", deployment.study, "--plan", plan, "--host", host)
    for site in sites:
        ca = RunFolder(deployment.study).ca
        run_here("client", "init", site, "--server", to, "--ca", ca)
        run_here("client", "approve", site, plan, "--yes")
        run_here("server", "enrol", deployment.study, site.name, site / "identity.pub")


def printed(deployment: Deployment, name: str) -> str:
    path = deployment.folder / f"{name}.log"
    return path.read_text() if path.exists() else ""


def rounds(deployment: Deployment) -> list[object]:
    lines = read_lines(deployment.study / "log.jsonl")
    return [event["round"] for event in lines if event["event"] == "round"]


def test_a_study_runs_through_proxies_with_a_login_over_an_idle_limit_and_no_secret_is_seen(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = [hospitals / "site-1", hospitals / "site-2"]
    plan = make_plan(federation={"rounds": 2, "min_sites": 2, "deadline_s": 600})
    create(deployment, plan, sites, NAME, f"{NAME}:8443")
    ports = [free_port(), free_port()]
    proxies = [
        ConnectProxy(port, {NAME: deployment.port}, login="medfl:s3cret", idle_s=IDLE_S)
        for port in ports
    ]
    (sites[0] / "pw").write_text("s3cret")
    with (sites[0] / "site.yaml").open("a") as file:
        address = f"http://127.0.0.1:{ports[0]}"
        file.write(f"network: {{proxy: {{url: '{address}', user: medfl, password_file: pw}}}}\n")
    server = deployment.start_server()
    monkeypatch.setenv("NO_PROXY", "[::1],10.0.0.0/8,*.example.org, ,::1")
    monkeypatch.setenv("ALL_PROXY", f"http://medfl:s3cret@127.0.0.1:{ports[1]}")
    deployment.start_client(sites[0])
    wait_until(lambda: "waiting for tasks" in printed(deployment, "site-1"), ANSWER_S, "site-1")
    seen = command_lines()
    assert HOLD_S < IDLE_S - 3
    time.sleep(IDLE_S + 5)  # the other is late: nothing to do, and the tunnel must stay

    deployment.start_client(sites[1])

    assert server.wait(ANSWER_S) == 0, printed(deployment, "server")
    assert rounds(deployment) == [1, 2]
    for proxy, site in zip(proxies, sites, strict=True):
        assert {*proxy.asked} == {f"{NAME}:8443"}
        written = [p.read_bytes() for p in (site / "state").rglob("*") if p.is_file()]
        assert not any(b"s3cret" in text for text in written)
        assert "s3cret" not in printed(deployment, site.name)
        assert "connecting again" not in printed(deployment, site.name)
        proxy.close()
    assert any("medfl_client.connection.supernode" in line for line in seen)
    assert not any("s3cret" in line for line in seen)


def command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_a_study_runs_over_ipv6(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    site = hospitals / "site-1"
    plan = make_plan(federation={"rounds": 1, "deadline_s": 600})
    create(deployment, plan, [site], "[::1]", f"[::1]:{deployment.port}")
    server = deployment.start_server(bind="::1")
    client = deployment.start_client(site)

    assert server.wait(ANSWER_S) == 0, printed(deployment, "server")
    assert rounds(deployment) == [1]
    (line, *_) = (site / "state" / "ledger.jsonl").read_text().splitlines()
    assert json.loads(line)["to"] == f"[::1]:{deployment.port}"
    client.terminate()


def test_the_right_certificate_put_in_place_is_taken_without_a_restart(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    site = hospitals / "site-1"
    deployment.create(make_plan(federation={"rounds": 1, "deadline_s": 600}), {"site-1": site})
    create_authority(tmp_path / "other", "other", "localhost")
    right = (site / "ca.crt").read_bytes()
    shutil.copy(tmp_path / "other" / "tls" / "ca.crt", site / "ca.crt")
    server = deployment.start_server()
    deployment.start_client(site)
    wait_until(lambda: "is not signed by" in printed(deployment, "site-1"), ANSWER_S, "refusal")

    (site / "ca.crt").write_bytes(right)

    assert server.wait(ANSWER_S) == 0
    assert rounds(deployment) == [1]
