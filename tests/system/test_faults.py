"""Kills, cut and slow connections, wrong clocks: real processes, and nothing is lost."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.system.kills import Storm
from tests.system.proxy import Proxy

from medfl_client.commands.run import free_port
from medfl_client.config.folder import StateFolder
from medfl_client.config.secret_keys import site_secret
from medfl_common.files import write_private
from medfl_common.run.log import Line, read_lines
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study
from medfl_sim.local.deployment import Deployment, run_here, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]

SITES = ("site-1", "site-2", "site-3")
ANSWER_S = 300.0
STILL_S = 75.0  # Flower ends a run whose app it has not heard of for 60 s
CLOCK = """\
import os, time
real = time.time
time.time = lambda: real() + float(open(os.environ["CLOCK_AHEAD"]).read())
"""


def log(deployment: Deployment, kind: str) -> list[Line]:
    events = read_lines(deployment.study / "log.jsonl") if deployment.study.exists() else []
    return [event for event in events if event["event"] == kind]


def undisturbed(folder: Path, plan: Path, hospitals: Path) -> object:
    """Give the digest of the final weights where nothing happens, and leave the secrets alone.

    The split follows from a site's secret.
    """
    secrets = {name: site_secret(hospitals / name / "state") for name in SITES}
    study = create_study(folder, plan)
    run_study(study, virtual_sites(hospitals, study.plan))
    for name in SITES:
        shutil.rmtree(hospitals / name / "state")
        key = StateFolder.of(hospitals / name).patients_key
        write_private(key, secrets[name].hex().encode())
    return study.log.lines("finished")[0]["sha256"]


def test_kills_of_every_process_in_every_phase_leave_the_same_bits_as_the_simulation(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(
        federation={"rounds": 12, "statistics": True, "deadline_s": 600}, training={"epochs": 4}
    )
    expected = undisturbed(tmp_path / "simulated", plan, hospitals)
    sites = {name: hospitals / name for name in SITES}
    deployment.create(plan, sites)

    kills = Storm(deployment, sites, n_kills=7, seed=0).run(timeout_s=400)

    assert len(kills) == 7
    assert {kill.process for kill in kills} == {"coordinator", "supernode", "executor"}
    (finished,) = log(deployment, "finished")
    assert finished["sha256"] == expected
    assert [event["round"] for event in log(deployment, "round")] == [*range(1, 13)]
    assert log(deployment, "resumed")
    assert (deployment.study / "report.html").exists()
    ledger = (hospitals / "site-1" / "state" / "ledger.jsonl").read_text().splitlines()
    assert {json.loads(line)["round"] for line in ledger} == {*range(13)}
    (statistics,) = log(deployment, "statistics")
    assert list(statistics["sites"]) == [*SITES]  # type: ignore[call-overload]
    assert (deployment.study / "harmony.html").exists()


def test_kills_lose_no_control_variate_and_nothing_that_was_left_out(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(
        federation={
            "strategy": "scaffold", "messages": {"update": "int8", "weights": "bfloat16"},
            "rounds": 8, "deadline_s": 600,
        },
        training={"epochs": 4},
    )  # fmt: skip
    expected = undisturbed(tmp_path / "simulated", plan, hospitals)
    sites = {name: hospitals / name for name in SITES}
    deployment.create(plan, sites)

    kills = Storm(deployment, sites, n_kills=4, seed=1).run(timeout_s=300)

    assert len(kills) == 4
    (finished,) = log(deployment, "finished")
    assert finished["sha256"] == expected


def test_restarts_in_trainings_of_a_minute_end_no_client_and_lose_no_training(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 6, "deadline_s": 900}, training={"epochs": 100})
    expected = undisturbed(tmp_path / "simulated", plan, hospitals)
    sites = {name: hospitals / name for name in SITES}
    deployment.create(plan, sites)
    storm = Storm(deployment, sites, n_kills=2, seed=0, phases=("training",), is_long=True)

    kills = storm.run(timeout_s=900)  # it restarts only what it has killed

    assert {kill.process for kill in kills} == {"coordinator", "supernode"}
    rounds = log(deployment, "round")
    works = [site["seconds"] for event in rounds for site in event["sites"].values()]  # type: ignore[attr-defined]
    assert max(works) >= 60
    (finished,) = log(deployment, "finished")
    assert finished["sha256"] == expected
    said = "".join((deployment.folder / f"{name}.log").read_text() for name in SITES)
    assert "answered before; the same reply is sent again" in said


def test_a_coordinator_that_stood_still_for_longer_than_flowers_patience_goes_on(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 6, "deadline_s": 600}, training={"epochs": 5})
    expected = undisturbed(tmp_path / "simulated", plan, hospitals)
    deployment.create(plan, {name: hospitals / name for name in SITES})
    server = deployment.start_server()
    for name in SITES:
        deployment.start_client(hospitals / name)
    wait_until(lambda: bool(log(deployment, "round")), ANSWER_S, "the first round")

    server.send_signal(signal.SIGSTOP)
    time.sleep(STILL_S)
    server.send_signal(signal.SIGCONT)

    assert server.wait(ANSWER_S) == 0
    (finished,) = log(deployment, "finished")
    assert finished["sha256"] == expected


def test_uploads_that_are_cut_and_a_slow_link_change_nothing(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 3, "deadline_s": 600})
    expected = undisturbed(tmp_path / "simulated", plan, hospitals)
    server_port = deployment.port
    deployment.create(plan, {})
    proxies = []
    for name, fault in (
        ("site-1", {"cut_after": 300_000, "n_cuts": 4}),
        ("site-2", {"bytes_a_second": 250_000}),  # 2 Mbit/s
        ("site-3", {}),
    ):
        deployment.port = free_port()
        proxies.append(Proxy(deployment.port, server_port, **fault))
        deployment.init_site(hospitals / name)
        key = hospitals / name / "identity.pub"
        run_here("server", "enrol", deployment.study, name, key)
    deployment.port = server_port

    server = deployment.start_server()
    for name in SITES:
        deployment.start_client(hospitals / name)

    assert server.wait(2 * ANSWER_S) == 0, (deployment.folder / "server.log").read_text()
    assert proxies[0].n_cuts_left == 0
    (finished,) = log(deployment, "finished")
    assert finished["sha256"] == expected
    assert [event["round"] for event in log(deployment, "round")] == [1, 2, 3]
    for proxy in proxies:
        proxy.close()


def test_a_wrong_clock_is_named_and_once_it_is_right_the_site_goes_on(
    deployment: Deployment,
    hospitals: Path,
    make_plan: MakePlan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, clock = hospitals / "site-1", tmp_path / "clock"
    deployment.create(make_plan(federation={"rounds": 1}), {"site-1": site})
    server = deployment.start_server()
    clock.mkdir()
    (clock / "sitecustomize.py").write_text(CLOCK)
    (clock / "ahead").write_text("10")
    monkeypatch.setenv("CLOCK_AHEAD", str(clock / "ahead"))
    monkeypatch.setenv("PYTHONPATH", str(clock), prepend=":")

    deployment.start_client(site)

    screen = deployment.folder / "site-1.log"
    said = "clock is 10 s ahead of the coordinator's"
    wait_until(lambda: said in screen.read_text(), ANSWER_S, said)
    assert log(deployment, "round") == []
    (clock / "ahead.new").write_text("0")
    (clock / "ahead.new").rename(clock / "ahead")
    assert server.wait(ANSWER_S) == 0
