"""A site takes a task from its study's coordinator alone, and says so before it reads any data."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from tests.conftest import MakePlan

from medfl_client.config.site_file import load_site_file
from medfl_client.egress import approvals
from medfl_client.task.farewell import Farewell
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import Site, open_site
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan
from medfl_common.run.folder import RunFolder
from medfl_common.wire.goodbye import Goodbye, encode_goodbye
from medfl_common.wire.signature import sign_task
from medfl_common.wire.tasks import TrainTask, encode_task
from medfl_server.roster.certificates import issue_study_certificate
from medfl_server.roster.enrolment import read_roster
from medfl_server.roster.study_key import ensure_study_key, read_study_key, study_fingerprint
from medfl_server.superlink.task_signer import TaskSigner
from medfl_sim.local.deployment import Deployment, run_here

END = "-----END CERTIFICATE-----\n"


@pytest.fixture
def deployment(hospitals: Path, make_plan: MakePlan, tmp_path: Path) -> Deployment:
    made = Deployment(tmp_path)
    made.create(make_plan(), {name: hospitals / name for name in ("site-1", "site-2")})
    return made


def ask(plan: Plan, site: str = "site-1", round_: int = 1) -> RecordDict:
    weights = shared_weights(build_model(plan))
    return encode_task(TrainTask("train", "cd" * 16, round_, 5, site, plan, weights))


def signed(deployment: Deployment, content: RecordDict, to: str = "site-1") -> RecordDict:
    TaskSigner(deployment.study).sign(content, to, read_roster(deployment.study)[to])
    return content


class Answers:
    """A site and what it says; it has not been asked for data."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said, self.n_read = folder, list[str](), 0
        site = open_site(folder, load_site_file(folder))

        def data(plan: Plan) -> object:
            self.n_read += 1
            return site.data(plan)

        self.site: Site = replace(site, data=data)  # type: ignore[arg-type]

    def code(self, content: RecordDict) -> int:
        reply = handle_task(content, self.site, Session(), self.said.append)
        return int(reply.metric_records["numbers"]["code"])  # type: ignore[arg-type]


@pytest.fixture
def answers(deployment: Deployment, hospitals: Path) -> Answers:
    return Answers(hospitals / "site-1")


def test_a_task_that_the_study_key_signed_for_this_site_is_answered(
    deployment: Deployment, answers: Answers, plan: Plan
) -> None:
    assert answers.code(signed(deployment, ask(plan))) == 0


def weights_changed(content: RecordDict) -> None:
    array = content.array_records["weights"]["flat"].numpy().copy()
    array[0] += np.float32(1e-3)
    content["weights"] = ArrayRecord({"flat": Array(array)})


def added(content: RecordDict) -> None:
    content["start"] = ArrayRecord({"flat": Array(np.zeros(1, np.float32))})


TAMPERED: list[Callable[[RecordDict], object]] = [
    lambda content: content.pop("seal"),
    lambda content: content.update({"seal": ConfigRecord({"signature": b"", "certificate": b""})}),
    lambda content: content.config_records["seal"].update({"signature": b"\0" * 64}),
    lambda content: content.config_records["seal"].update({"signature": 5}),
    lambda content: content.config_records["task"].update({"round": 2}),
    lambda content: content.config_records["task"].update({"kind": "evaluate"}),
    lambda content: content.config_records["task"].update({"site": "site-2"}),
    lambda content: content.config_records["task"].update({"plan": "{}"}),
    weights_changed,
    added,
]


@pytest.mark.parametrize("tamper", TAMPERED)
def test_a_task_without_this_signature_is_refused_before_any_data_is_read(
    deployment: Deployment, answers: Answers, plan: Plan, tamper: Callable[[RecordDict], object]
) -> None:
    content = signed(deployment, ask(plan))
    tamper(content)

    assert answers.code(content) == 530

    assert answers.n_read == 0
    assert "no data was read" in answers.said[0]
    assert "MEDFL-E530" in answers.said[0]
    state = answers.folder / "state"
    assert "ForeignTaskError" in (state / "incidents.jsonl").read_text()
    assert "failed: MEDFL-E530" in (state / "ledger.jsonl").read_text()


def test_a_task_of_another_site_is_refused(
    deployment: Deployment, answers: Answers, plan: Plan
) -> None:
    assert answers.code(signed(deployment, ask(plan), to="site-2")) == 530


def test_neither_the_servers_certificate_nor_a_key_of_its_own_helps_who_ends_tls(
    deployment: Deployment, answers: Answers, plan: Plan
) -> None:
    made, mine = RunFolder(deployment.study), Ed25519PrivateKey.generate()
    site = read_roster(deployment.study)["site-1"]
    for path in (made.server_certificate, made.ca, made.study_certificate):
        der = path.read_bytes()
        content = ask(plan)
        sign_task(content, site.fingerprint, mine, der)
        assert answers.code(content) == 530


def test_once_pinned_no_other_key_counts_even_if_the_authority_vouches_for_it(
    deployment: Deployment, answers: Answers, plan: Plan
) -> None:
    approvals.approve(answers.folder / "state", plan)
    assert answers.code(signed(deployment, ask(plan))) == 0
    stolen = Ed25519PrivateKey.generate()
    certificate = issue_study_certificate(deployment.study, stolen.public_key())
    content = ask(plan, round_=2)
    own = read_roster(deployment.study)["site-1"].fingerprint

    sign_task(content, own, stolen, certificate.public_bytes(Encoding.DER))

    assert answers.code(content) == 530
    assert "signed with another study key" in answers.said[-1]


def test_a_site_of_an_earlier_version_takes_the_first_key_that_its_authority_vouches_for(
    deployment: Deployment, hospitals: Path, plan: Plan
) -> None:
    folder = hospitals / "site-1"
    old = folder / "ca.crt"
    old.write_text(old.read_text().split(END)[0] + END)
    said = run_here("client", "approve", folder, RunFolder(deployment.study).plan_file, "--yes")
    assert "comes with the first task" in said

    assert Answers(folder).code(signed(deployment, ask(plan))) == 0

    (line,) = json.loads((folder / "state" / "study-keys.json").read_text()).values()
    assert line.startswith("ssh-ed25519 ")
    said = run_here("client", "approve", folder, RunFolder(deployment.study).plan_file, "--yes")
    assert study_fingerprint(deployment.study) in said.replace("\n", "")


def test_a_study_of_an_earlier_version_gets_its_key_and_keeps_its_authority(
    deployment: Deployment,
) -> None:
    made = RunFolder(deployment.study)
    before = made.ca.read_text().split(END)[0]
    made.ca.write_text(before + END)
    made.study_key.unlink()
    made.study_certificate.unlink()

    assert ensure_study_key(deployment.study)

    assert made.ca.read_text().startswith(before)
    assert made.study_key.stat().st_mode & 0o777 == 0o600
    key, certificate = read_study_key(deployment.study)
    assert key.public_key() == certificate.public_key()
    assert not ensure_study_key(deployment.study)


def goodbye(plan: Plan, run: str = "cd" * 16) -> RecordDict:
    return encode_goodbye(Goodbye("finished", plan.study, run, plan.hash(), 3))


def test_a_goodbye_counts_only_with_the_study_keys_signature_for_this_site_and_run(
    deployment: Deployment, answers: Answers, plan: Plan
) -> None:
    assert answers.code(signed(deployment, ask(plan))) == 0
    own = read_roster(deployment.study)["site-1"].fingerprint
    changed = signed(deployment, encode_goodbye(Goodbye("stopped", "s", "cd" * 16, plan.hash(), 3)))
    changed.config_records["task"]["why"] = "finished"
    certificate = read_study_key(deployment.study)[1].public_bytes(Encoding.DER)
    forged = goodbye(plan)
    sign_task(forged, own, Ed25519PrivateKey.generate(), certificate)
    anothers = signed(deployment, goodbye(plan), to="site-2")
    replayed = signed(deployment, goodbye(plan, run="ab" * 16))

    elsewhere = signed(deployment, goodbye(plan, run="../../elsewhere"))
    assert answers.code(elsewhere) == 500

    for content in (goodbye(plan), changed, forged, anothers, replayed):
        assert answers.code(content) == 530
        assert not isinstance(answers.said[-1], Farewell)

    true = signed(deployment, goodbye(plan))
    assert not handle_task(true, answers.site, Session(), answers.said.append)
    assert isinstance(answers.said[-1], Farewell)
    assert f"the study {plan.study} is finished" in answers.said[-1]
