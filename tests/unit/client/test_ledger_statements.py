"""A ledger that was cut and set back is whole in itself: the coordinator's signed word finds it."""

import json
import shutil
from pathlib import Path

import pytest
from flwr.app import RecordDict
from tests.conftest import MakePlan

from medfl_client.config.folder import StateFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.egress import statements
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import open_site
from medfl_common.errors import RunError
from medfl_common.plan.plan import load_plan
from medfl_common.run.folder import RunFolder
from medfl_common.wire.digest import STATEMENT
from medfl_common.wire.tasks import TrainTask, encode_task
from medfl_server.aggregation.admission import Known, admit
from medfl_server.roster.enrolment import read_roster
from medfl_server.roster.ledgers import read_ledgers
from medfl_server.superlink.task_signer import TaskSigner
from medfl_sim.local.deployment import Deployment, run_here


class Pair:
    """A coordinator and a site that refuses: each message has a line in the site's ledger."""

    def __init__(self, folder: Path, site: Path, plan: Path) -> None:
        self.deployment, self.folder = Deployment(folder), site
        self.deployment.create(plan, {site.name: site}, approve=False)
        self.study, self.said = self.deployment.study, list[str]()
        self.signer = TaskSigner(self.study)
        self.enrolled = read_roster(self.study)[site.name]
        self.state = StateFolder.of(site)
        self.lost = list[int]()

    def task(self, round_: int) -> tuple[TrainTask, RecordDict, str]:
        plan = load_plan(RunFolder(self.study).plan_file)
        task = TrainTask("train", "cd" * 16, round_, 5, self.folder.name, plan, {})
        content = encode_task(task)
        return task, content, self.signer.sign(content, self.folder.name, self.enrolled)

    def ask(self, round_: int = 1) -> int:
        task, content, digest = self.task(round_)
        site = open_site(self.folder, load_site_file(self.folder))
        reply = handle_task(content, site, Session(), self.said.append)
        code = admit(reply, task, {}, self.enrolled, known=Known(digest=digest)).code
        before = self.signer.hear(reply, self.folder.name)
        self.lost += [before.line] if before is not None else []
        return code

    def cut(self, n: int) -> None:
        """Cut lines off the ledger and set its head back, as somebody would who knows how."""
        path, head = self.state.ledger, self.state.ledger.with_suffix(".head")
        lines = path.read_text().splitlines(keepends=True)[:-n]
        path.write_text("".join(lines))
        head.write_text(json.dumps({"lines": len(lines), "hash": json.loads(lines[-1])["hash"]}))

    def verify(self) -> str:
        return run_here("client", "audit", "verify", self.folder)


@pytest.fixture
def pair(tmp_path: Path, hospitals: Path, make_plan: MakePlan) -> Pair:
    return Pair(tmp_path, hospitals / "site-1", make_plan())


def test_a_ledger_that_was_cut_and_set_back_is_found_at_both_ends(pair: Pair) -> None:
    for _ in range(3):
        assert pair.ask() == 410
    assert "heard of line 2; it is there" in pair.verify().replace("\n", " ")
    pair.cut(1)
    assert "is whole: 2 lines" in pair.verify()  # the last word that the site kept is of line 2

    assert pair.ask() == 410  # it is told, and goes on

    assert pair.lost == [3]
    assert any("lacks its line 3" in line for line in pair.said)
    for _ in range(2):
        pair.ask()
    with pytest.raises(RunError, match=r"lacks its line 3(.|\n)*put back"):
        pair.verify()
    shown = run_here("server", "roster", pair.study)
    assert "LOST line 3" in shown
    assert read_ledgers(pair.study)["site-1"].line == 5


def test_a_backup_that_was_put_back_is_told_truly_and_can_be_acknowledged(
    pair: Pair, tmp_path: Path
) -> None:
    pair.ask()
    shutil.copytree(pair.state.path, tmp_path / "backup")
    for _ in range(3):
        pair.ask()
    shutil.rmtree(pair.state.path)
    shutil.copytree(tmp_path / "backup", pair.state.path)
    assert "whole" in pair.verify()

    assert pair.ask() == 410

    with pytest.raises(RunError, match=r"an older copy of the folder was(.|\n)*put back"):
        pair.verify()
    pair.state.statements.unlink()
    pair.ask()
    assert "it is there" in pair.verify().replace("\n", " ")


def test_a_statement_that_was_changed_or_is_another_sites_is_refused(pair: Pair) -> None:
    pair.ask()
    pair.ask()
    for change in ({"line": 9}, {"hash": "0" * 64}, {"to": "SHA256:other"}, {"signature": "00"}):
        _, content, _ = pair.task(1)
        content.config_records[STATEMENT].update(change)
        site = open_site(pair.folder, load_site_file(pair.folder))
        reply = handle_task(content, site, Session(), pair.said.append)
        assert reply.metric_records["numbers"]["code"] == 530
    assert statements.read(pair.state.path)[1] == []


def test_a_statement_that_somebody_wrote_into_the_folder_is_no_word_of_the_coordinator(
    pair: Pair,
) -> None:
    pair.ask()
    pair.ask()
    facts = json.loads(pair.state.statements.read_text())
    facts["newest"]["hash"] = "0" * 64
    pair.state.statements.write_text(json.dumps(facts))

    with pytest.raises(RunError, match="not signed"):
        pair.verify()
