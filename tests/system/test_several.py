"""Two studies at once, as real processes: one coordinator on one port, one client at a hospital."""

import json
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_client.config.folder import PRIVATE, SIGNING_KEY
from medfl_common.files import holder
from medfl_common.run.log import Line, read_lines
from medfl_sim.local.deployment import Deployment, Process, run_here, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.processes]

ANSWER_S = 900.0  # for what takes seconds on an idle machine
STUDIES = ("lungs", "hearts")
SITES = ("site-1", "site-2")


def make_studies(deployment: Deployment, make_plan: MakePlan, **federation: object) -> None:
    run_here("server", "init", deployment.study, "--host", "localhost")
    for name in STUDIES:
        make_study(deployment, make_plan, name, **federation)


def make_study(
    deployment: Deployment, make_plan: MakePlan, name: str, **federation: object
) -> None:
    given = {"rounds": 2, "deadline_s": 600, **federation}
    plan = make_plan(f"{name}.yaml", federation=given)
    plan.write_text(plan.read_text().replace("study: small", f"study: {name}"))
    run_here("server", "init", deployment.study / name, "--plan", plan)


def invite(deployment: Deployment, study: str, site: str) -> Path:
    file = deployment.folder / f"{site}-{study}.medfl-invite"
    address = f"localhost:{deployment.port}"
    words = (deployment.study / study, site, "--address", address, "--out", file)
    run_here("server", "invite", *words, "--auto-admit")
    return file


def join_both(deployment: Deployment, site: Path, files: dict[str, Path]) -> None:
    """Join both studies into one directory, and approve the plan of each."""
    for study in STUDIES:
        said = run_here("client", "join", files[study], site, "--yes")
        assert f"{site.name} is enrolled in {study}" in said
    second = site / "studies" / "hearts"
    file = second / "site.yaml"  # 40 images are few for the policy that join writes
    text = file.read_text().replace("min_images: 20", "min_images: 5")
    file.write_text(text.replace("min_cell: 10", "min_cell: 1"))
    for folder in (site, second):
        run_here("client", "approve", folder, "--yes")


def released(folder: Path) -> int:
    path = folder / "state" / "ledger.jsonl"
    return sum(line["decision"] == "released" for line in ledger(folder)) if path.exists() else 0


def ledger(folder: Path) -> list[Line]:
    return [json.loads(x) for x in (folder / "state" / "ledger.jsonl").read_text().splitlines()]


def events(deployment: Deployment, study: str, kind: str) -> list[Line]:
    lines = read_lines(deployment.study / study / "log.jsonl")
    return [line for line in lines if line["event"] == kind]


def said(deployment: Deployment, name: str) -> str:
    return (deployment.folder / f"{name}.log").read_text()


def test_two_studies_run_at_once_on_one_port_and_each_hospital_has_one_client_and_identity(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    make_studies(deployment, make_plan)
    sites = {name: hospitals / name for name in SITES}
    files = {n: {s: invite(deployment, s, n) for s in STUDIES} for n in SITES}
    server = deployment.start_server()
    wait_until(lambda: said(deployment, "server").count("waiting for") >= 2, ANSWER_S, "both")
    for name, site in sites.items():
        join_both(deployment, site, files[name])

    clients: dict[str, Process] = {n: deployment.start_client(s) for n, s in sites.items()}

    assert server.wait(ANSWER_S) == 0, said(deployment, "server")
    for name, client in clients.items():
        assert client.wait(ANSWER_S) == 0, said(deployment, name)
    for study in STUDIES:
        rounds = events(deployment, study, "round")
        assert [set(line["sites"]) for line in rounds] == [set(SITES)] * 2  # type: ignore[arg-type]
        assert (deployment.study / study / "report.html").exists()
    began = [float(str(events(deployment, study, "started")[0]["time"])) for study in STUDIES]
    ended = [float(str(events(deployment, study, "finished")[0]["time"])) for study in STUDIES]
    assert max(began) < min(ended)
    for site in sites.values():
        own, second = ledger(site), ledger(site / "studies" / "hearts")
        assert {line["study"] for line in own if line["decision"] == "released"} == {"lungs"}
        assert {line["study"] for line in second} == {"hearts"}
        for key in (PRIVATE, SIGNING_KEY, "state/patients.key", "state/patient-sets"):
            assert (site / key).exists()
            assert not (site / "studies" / "hearts" / key).exists()


def test_a_hospital_leaves_one_study_and_its_client_goes_on_for_the_other(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    make_studies(deployment, make_plan, rounds=500, min_sites=1)
    site = hospitals / "site-1"
    second = site / "studies" / "hearts"
    files = {study: invite(deployment, study, "site-1") for study in STUDIES}
    server = deployment.start_server()
    wait_until(lambda: said(deployment, "server").count("waiting for") >= 2, ANSWER_S, "both")
    join_both(deployment, site, files)
    client = deployment.start_client(site)
    wait_until(lambda: min(released(site), released(second)) >= 1, ANSWER_S, "a round of each")

    text = " ".join(run_here("client", "withdraw", second).split())

    left, before = released(second), released(site)
    assert f"process {client.pid}, goes on for the other studies" in text
    wait_until(lambda: released(site) >= before + 2, ANSWER_S, "two more rounds of the other")
    wait_until(
        lambda: "has withdrawn from study hearts" in said(deployment, "site-1"), ANSWER_S, ""
    )
    assert released(second) == left
    assert (client.poll(), server.poll()) == (None, None)
    server.terminate()
    assert server.wait(ANSWER_S) == 130
    assert client.poll() is None  # it waits for the coordinator to be back


def test_a_study_made_or_extended_while_others_run_begins_without_a_restart(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    run_here("server", "init", deployment.study, "--host", "localhost")
    make_study(deployment, make_plan, "lungs", rounds=500, min_sites=1)
    site = hospitals / "site-1"
    second = site / "studies" / "hearts"
    file = invite(deployment, "lungs", "site-1")
    server = deployment.start_server()
    wait_until(lambda: "waiting for" in said(deployment, "server"), ANSWER_S, "the first")
    run_here("client", "join", file, site, "--yes")
    run_here("client", "approve", site, "--yes")
    client = deployment.start_client(site)
    wait_until(lambda: released(site) >= 1, ANSWER_S, "a round of the first")

    make_study(deployment, make_plan, "hearts", min_sites=1)
    file = invite(deployment, "hearts", "site-1")
    wait_until(lambda: "hearts: 0 of 1 sites" in said(deployment, "server"), ANSWER_S, "the new")
    assert "site-1 is enrolled in hearts" in run_here("client", "join", file, site, "--yes")
    text = (second / "site.yaml").read_text().replace("min_images: 20", "min_images: 5")
    (second / "site.yaml").write_text(text.replace("min_cell: 10", "min_cell: 1"))
    run_here("client", "approve", second, "--yes")
    new = deployment.study / "hearts"
    wait_until(lambda: (new / "report.html").exists() and not holder(new), ANSWER_S, "its end")

    run_here("server", "extend", new, "--rounds", "1")
    wait_until(
        lambda: "was changed since it was approved" in said(deployment, "site-1"), ANSWER_S, "plan"
    )
    run_here("client", "approve", second, "--yes")
    wait_until(lambda: len(events(deployment, "hearts", "round")) == 3, ANSWER_S, "the third")
    wait_until(lambda: not holder(new), ANSWER_S, "its end")
    assert [line["last"] for line in events(deployment, "hearts", "finished")] == [3]
    assert len(events(deployment, "lungs", "started")) == 1  # nobody disturbed the first study
    assert not events(deployment, "lungs", "resumed")
    assert (client.poll(), server.poll()) == (None, None)

    _pause_and_stop_the_first(deployment, server, client)


def _pause_and_stop_the_first(deployment: Deployment, server: Process, client: Process) -> None:
    """The study rests and goes on in the process that runs; stopped, both studies are over."""
    first = deployment.study / "lungs"
    run_here("server", "pause", first, "--message", "back on Monday")
    wait_until(lambda: not holder(first), ANSWER_S, "the first rests")
    made = len(events(deployment, "lungs", "round"))
    said_of_it = " ".join(run_here("server", "resume", first).split())
    assert "the coordinator that runs goes on with it" in said_of_it
    wait_until(lambda: len(events(deployment, "lungs", "round")) > made, ANSWER_S, "it goes on")
    assert (client.poll(), server.poll()) == (None, None)

    run_here("server", "stop", first, "--yes", "--reason", "enough")
    assert server.wait(ANSWER_S) == 0  # both studies are finished
    assert client.wait(ANSWER_S) == 0
    assert [line["reason"] for line in events(deployment, "lungs", "stopped")] == ["enough"]
    assert (first / "report.html").exists()
