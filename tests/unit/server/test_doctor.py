"""`medfl-server doctor` on real study directories."""

import json
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch
from tests.conftest import MakePlan

from medfl_client.config.identity import create_identity
from medfl_common.files import locked
from medfl_common.ops.certificate import check_end
from medfl_common.ops.checks import Finding, summary
from medfl_common.ops.public import as_json
from medfl_common.run.checkpoint import Checkpoint, save
from medfl_server.doctor.study import examine_study, private_names
from medfl_server.roster.certificates import create_authority
from medfl_server.roster.enrolment import enrol
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.local.deployment import free_port


@pytest.fixture
def study(make_plan: MakePlan, tmp_path: Path) -> Study:
    """A study of two enrolled hospitals that has not begun."""
    plan = make_plan(federation={"min_sites": 2})
    found = create_study(tmp_path / "study", plan)
    create_authority(found.folder, "small", "localhost")
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
        create_identity(tmp_path / name, name)
        enrol(found.folder, name, tmp_path / name / "identity.pub")
    return found


def examined(study: Study, port: int = 0) -> dict[str, Finding]:
    return {f.check: f for f in examine_study(study.folder, port or free_port())}


def test_a_fresh_study_passes_and_is_not_changed(study: Study) -> None:
    before = {path: path.stat().st_mtime_ns for path in study.folder.rglob("*")}

    found = examined(study)

    assert {f.state for f in found.values()} == {"ok", "not checked"}
    assert "a round needs 2 of these 2" in found["hospitals"].seen
    assert summary([*found.values()]).startswith("READY")
    assert {path: path.stat().st_mtime_ns for path in study.folder.rglob("*")} == before


def test_what_doctor_tells_a_script_names_no_path_and_no_hospital(study: Study) -> None:
    found = examine_study(study.folder, free_port())
    names = private_names(study.folder)

    shown = as_json(found, names)

    assert "north" in str(found)
    assert str(study.folder) in str(found)
    assert not [name for name in ("north", "south", "/study") if name in shown]
    assert "<hospital> " in shown
    assert "<study folder>: writable" in shown


def test_each_fault_of_a_study_names_what_to_do(study: Study, tmp_path: Path) -> None:
    folder, tls = study.folder, study.folder / "tls"

    def told(check: str, state: str = "fail") -> str:
        finding = examined(study)[check]
        assert finding.state == state, finding
        assert finding.who
        return f"{finding.seen} | {finding.todo}"

    (tls / "server.key").chmod(0o640)
    assert "chmod 600" in told("private keys")
    folder.chmod(0o755)
    assert "chmod 750" in told("study folder", "warn")
    (folder / "log.jsonl").write_text('{"event": "round"}\nnothing\n{"event": "ro')
    assert "has a line that is no event" in told("run log")
    roster = json.loads((folder / "roster.json").read_text())
    (folder / "roster.json").write_text(json.dumps({"north": roster["north"]}))
    assert "these are 1, a round needs 2 | medfl-server invite" in told("hospitals")
    create_authority(tmp_path / "other", "other", "localhost")
    (tls / "server.key").write_bytes((tmp_path / "other" / "tls" / "server.key").read_bytes())
    assert "does not belong to server.crt | medfl-server renew" in told("server certificate")
    (tls / "ca.crt").write_bytes((tmp_path / "other" / "tls" / "ca.crt").read_bytes())
    assert "is not signed by ca.crt" in told("server certificate")
    (folder / "plan.yaml").write_text((folder / "plan.yaml").read_text() + "deterministic: false\n")
    assert "was changed after the study was made" in told("study")


def test_a_damaged_checkpoint_is_passed_over_and_none_whole_fails(study: Study) -> None:
    for number in (1, 2):
        save(study.checkpoints, Checkpoint(number, {"a": torch.zeros(3)}, {}))
    (study.checkpoints / "round-0002.safetensors").write_bytes(b"torn")
    one = examined(study)["newest checkpoint"]
    (study.checkpoints / "round-0001.safetensors").write_bytes(b"torn")
    none = examined(study)["newest checkpoint"]

    assert (one.state, none.state) == ("warn", "fail")
    assert one.seen.endswith("the study resumes after round 1")


def test_a_torn_last_line_of_the_log_is_no_fault(study: Study) -> None:
    (study.folder / "log.jsonl").write_text('{"event": "round"}\n{"event": "ro')

    told = examined(study)["run log"]

    assert told.state == "ok"
    assert "a crash tore the last line" in told.seen


def test_a_port_that_something_else_has_fails(study: Study) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        told = examined(study, port)["port"]
    with locked(study.folder):
        elsewhere = examined(study)["port"]

    assert told.state == "fail"
    assert f"port {port} on 0.0.0.0 cannot be used" in told.seen
    assert elsewhere.state == "warn"
    assert f"process {os.getpid()} runs this study on another" in elsewhere.seen


@pytest.mark.parametrize(
    ("days", "state", "begins"),
    [(31, "ok", ""), (29, "warn", "renew"), (6, "warn", "SOON: "), (0, "warn", "TODAY: "),
     (-2, "fail", "renew")],
)  # fmt: skip
def test_a_certificate_is_told_in_time(days: int, state: str, begins: str) -> None:
    found = check_end(datetime.now(UTC) + timedelta(days=days, hours=1), "renew", "you")

    assert (found.state, found.todo[: len(begins)]) == (state, begins)
