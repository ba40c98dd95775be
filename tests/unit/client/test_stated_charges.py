"""A coordinator that does not say what it heard of a ledger gets no new answer with noise."""

from pathlib import Path

import yaml
from flwr.app import RecordDict
from tests.unit.client.spending import noisy_plan
from tests.unit.client.test_ledger_statements import Pair

from medfl_client.config.site_file import load_site_file
from medfl_client.egress import approvals, budget
from medfl_client.egress.privacy_ledger import read
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import open_site
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan
from medfl_common.wire.tasks import TrainTask, encode_task
from medfl_server.superlink.task_signer import TaskSigner


def _asked(pair: Pair, plan: Plan, round_: int) -> object:
    """Ask a round over the signed way, and hear the reply; give its code."""
    start = shared_weights(build_model(plan))
    weights = {name: tensor + (round_ - 1) for name, tensor in start.items()}
    content = encode_task(TrainTask("train", "cd" * 16, round_, 5, "site-1", plan, weights))
    pair.signer.sign(content, "site-1", pair.enrolled)
    site = open_site(pair.folder, load_site_file(pair.folder))
    reply: RecordDict = handle_task(content, site, Session(), pair.said.append)
    pair.signer.hear(reply, "site-1")
    return reply.metric_records["numbers"]["code"]


def test_without_a_statement_a_new_question_waits_until_the_coordinator_has_heard_again(
    hospitals: Path, tmp_path: Path
) -> None:
    plan = noisy_plan(rounds=3, draw=4, steps=2, multiplier=4.0, least_patients=8, epsilon=20.0)
    path = tmp_path / "noisy.yaml"
    path.write_text(yaml.safe_dump(plan.model_dump(mode="json")))
    pair = Pair(tmp_path / "study", hospitals / "site-1", path)
    budget.reserve(pair.state.path, plan, load_site_file(pair.folder).policy)
    approvals.approve(pair.state.path, plan)

    codes = [_asked(pair, plan, 1), _asked(pair, plan, 2)]
    (pair.study / "ledgers.json").unlink()
    pair.signer = TaskSigner(pair.study)
    codes += [_asked(pair, plan, 3), _asked(pair, plan, 3)]

    assert codes == [0, 0, 600, 0], pair.said
    assert any("nobody vouches that this folder is not an older copy" in line for line in pair.said)
    (costs,) = read(pair.state.path).plans.values()
    assert (costs.n_charges, costs.n_repeats) == (3, 0)
