"""A study whose plan brings a network, from the invitation to the papers: each place names it."""

from pathlib import Path

import pytest
from tests.conftest import PLAN
from tests.graph_plans import as_graph

from medfl_client.config.site_file import load_site_file
from medfl_client.egress import approvals
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import open_site
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.ops.invitation import read_invitation
from medfl_common.plan import graph_files
from medfl_common.plan.graph_files import GraphLoss
from medfl_common.wire.tasks import TrainTask, encode_task
from medfl_server.reports.dossier.dossier import write_dossier
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.paper.paper import write_paper
from medfl_server.roster.certificates import create_authority
from medfl_server.steering.invitation import invite
from medfl_server.study.branch import branch
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.phantoms import KINDS
from medfl_sim.engine.simulation import run_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two hospitals of 40 images, one round, small_cnn as data."""
    folder = tmp_path_factory.mktemp("brought")
    (folder / "plan.yaml").write_text(PLAN.replace("rounds: 3", "rounds: 1"))
    KINDS.get("chest")(folder / "hospitals", 2, 40, 1)
    made = create_study(folder / "study", as_graph(folder / "plan.yaml", folder / "graph"))
    run_study(made, virtual_sites(folder / "hospitals", made.plan))
    return made


@pytest.fixture
def file(study: Study) -> bytes:
    """Give what travels."""
    (one,) = graph_files.graph_files(study.plan)
    return graph_files.content(one.sha256)


def test_card_dossier_paper_and_doctor_name_a_network_that_came_as_data(
    study: Study, tmp_path: Path
) -> None:
    whole = f"net, which the plan brings as data, without code (net.json, SHA-256 {_sha(study)})"

    write_paper(study, tmp_path / "paper")
    write_model_card(study)
    dossier = write_dossier(study).with_suffix(".md").read_text()

    card = study.files.model_card.read_text()
    assert "A net that tells opacity from normal" in card
    for text in (card, dossier, (tmp_path / "paper" / "protocol.md").read_text()):
        assert whole in text
        assert "A graph" not in text
    assert "The network graph" not in (tmp_path / "paper" / "references.bib").read_text()


def test_a_loss_that_came_as_data_is_named_by_its_file_and_hash() -> None:
    assert str(GraphLoss(graph="parts/focal.json", sha256="ab" * 32)) == (
        f"focal, which the plan brings as data, without code (focal.json, SHA-256 {'ab' * 32})"
    )


def test_an_invitation_brings_the_network_so_a_hospital_reads_it_first(
    study: Study, file: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = create_study(tmp_path / "study", study.folder.parent / "graph" / "plan.yaml")
    create_authority(asked.folder, "small", "localhost")
    invite(asked.folder, "north", address="localhost:8443")
    monkeypatch.setattr(graph_files, "_HERE", {})  # as at another machine

    read_invitation(tmp_path / "north.medfl-invite").keep_graphs(tmp_path / "state")

    kept = graph_files.kept_as(tmp_path / "state" / "graphs", _sha(study))
    assert kept.read_bytes() == file
    assert (tmp_path / "state").stat().st_mode & 0o77 == 0


def test_an_unapproved_network_waits_though_the_policy_does_not_list_it(
    study: Study, tmp_path: Path
) -> None:
    (folder,) = KINDS.get("chest")(tmp_path / "hospitals", 1, 40, 1)
    site, plan = open_site(folder, load_site_file(folder)), study.plan
    task = TrainTask("train", "cd" * 16, 1, 5, "site-1", plan, shared_weights(build_model(plan)))
    said: list[str] = []

    def code() -> int:
        reply = handle_task(encode_task(task), site, Session(), said.append)
        return int(reply.metric_records["numbers"]["code"])  # type: ignore[arg-type]

    assert code() == 410  # asked again later, and no round is lost
    approvals.approve(folder / "state", plan)
    assert code() == 400
    assert f"write under policy in site.yaml: networks: [{_sha(study)}]" in said[1]


def test_a_branch_goes_on_with_the_network_and_from_the_final_model(
    study: Study, tmp_path: Path
) -> None:
    plan = tmp_path / "next.yaml"
    plan.write_text(study.files.plan_file.read_text().replace("study: small", "study: next"))

    made = branch(study.folder, tmp_path / "b", plan).study

    final = (study.folder / "model.safetensors").read_bytes()
    assert made.files.weights_file.read_bytes() == final
    assert made.plan.model.sha256 == _sha(study)


def _sha(study: Study) -> str:
    assert study.plan.model.sha256 is not None
    return study.plan.model.sha256
