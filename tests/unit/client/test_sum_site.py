"""Whole hospitals in secure sums: tasks in, replies out, on real files."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.conftest import MakePlan
from tests.sum_sites import RUN, Cohort, code
from tests.unit.client.test_approvals import Said

from medfl_client.commands.approve import approve_plan
from medfl_client.config.identity import create_identity
from medfl_client.config.site_file import Policy, load_site_file
from medfl_client.egress import approvals
from medfl_client.egress.guard import let_out, release
from medfl_client.egress.message_entry import NOTHING, message_entries
from medfl_client.egress.sums.groups import approve_group, approved_groups, proposed_group
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import open_site
from medfl_common.errors import DisclosureError
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.keys import fingerprint
from medfl_common.wire.ledger_statement import Statement
from medfl_common.wire.pooled import PooledLayout
from medfl_common.wire.results import TrainResult, encode_result, plan_number
from medfl_common.wire.secure_sum import Group, SumOrder
from medfl_common.wire.study_key import key_line
from medfl_common.wire.tasks import TrainTask, encode_task, sum_round


@pytest.fixture
def secret_plan(make_plan: MakePlan) -> Plan:
    sums: dict[str, object] = {"secure_sum": {"at_least": 3, "range": 1.0}}
    return load_plan(make_plan(privacy=sums, evaluation={"keep": "last"}))


@pytest.fixture
def cohort(hospitals: Path, secret_plan: Plan) -> Cohort:
    sites = {}
    for name in ("site-1", "site-2", "site-3"):
        create_identity(hospitals / name, name)
        sites[name] = open_site(hospitals / name, load_site_file(hospitals / name))
        approvals.approve(hospitals / name / "state", secret_plan)
    lines = {n: key_line(s.signing.public_key()) for n, s in sites.items() if s.signing}
    group = Group.of(lines)
    for name in sites:
        approve_group(hospitals / name / "state", secret_plan, group)
    return Cohort(secret_plan, sites, group)


def test_the_sum_of_three_hospitals_is_that_of_their_results_and_no_single_one_leaves(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: list[TrainResult] = []
    encode = PooledLayout.encode
    monkeypatch.setattr(PooledLayout, "encode", lambda self, r: encode(self, (own.append(r), r)[1]))
    stretch = cohort.set_up()

    replies = cohort.masked(stretch, "train", 1)
    pooled = cohort.layout("train").decode(cohort.open(stretch, "train", 1, replies), 3)

    assert pooled.n_images == sum(one.n_images for one in own) > 0
    for name, mean in pooled.update.items():
        parts = [one.n_images * one.update[name].double() for one in own if one.update]
        assert (mean - sum(parts) / pooled.n_images).abs().max() < 1e-6
    assert pooled.score_counts is not None
    assert pooled.score_counts.n == sum(one.score_counts.n for one in own if one.score_counts)
    for reply in replies.values():
        assert set(reply) == {"numbers", "masked", "seal"}
        numbers = reply.metric_records["numbers"]
        assert [numbers[n] for n in ("n_images", "n_steps", "train_loss")] == [0, 0, 0.0]
        assert "n_scored" not in numbers


def test_a_scoring_is_masked_too(cohort: Cohort) -> None:
    number = sum_round("evaluate", 3)
    stretch = cohort.set_up(first=number, last=number)
    replies = cohort.masked(stretch, "evaluate", 3)
    pooled = cohort.layout("evaluate").decode(cohort.open(stretch, "evaluate", 3, replies), 3)

    assert all(set(reply) == {"numbers", "masked", "seal"} for reply in replies.values())
    assert pooled.score_counts is not None
    assert not pooled.update


def test_asked_again_a_hospital_sends_the_same_bits_also_where_it_must_train_anew(
    cohort: Cohort,
) -> None:
    stretch, name = cohort.set_up(), "site-2"
    order, state = stretch.order_round(1, 2), cohort.sites[name].state
    assert state is not None
    first = cohort.ask(name, "train", 1, order)

    cohort.sessions.clear()  # it was started again
    kept = cohort.ask(name, "train", 1, order)
    shutil.rmtree(state / "replies")
    anew = cohort.ask(name, "train", 1, order)

    assert "answered before" in cohort.said[-2]
    assert kept.array_records["masked"].object_id == first.array_records["masked"].object_id
    assert anew.array_records["masked"].object_id == first.array_records["masked"].object_id


def test_a_round_is_not_masked_again_with_other_data(cohort: Cohort) -> None:
    stretch, name = cohort.set_up(), "site-1"
    order = stretch.order_round(1, 1)
    cohort.ask(name, "train", 1, order)
    stricter = cohort.sites[name].policy.model_copy(update={"min_cell": 1000})
    cohort.sites[name] = replace(cohort.sites[name], policy=stricter)  # no scores in the vector

    reply = cohort.ask(name, "train", 1, order)

    assert code(reply) == 460
    assert "masked for another question, or with other data" in cohort.said[-1]


def test_a_round_without_its_part_of_the_sum_is_not_answered(cohort: Cohort) -> None:
    plan = cohort.plan
    task = TrainTask("train", RUN, 1, 7, "site-1", plan, shared_weights(build_model(plan)))

    reply = handle_task(encode_task(task), cohort.sites["site-1"], Session(), cohort.said.append)

    assert code(reply) == 500
    assert "update" not in reply


def test_no_update_and_no_number_leaves_open_under_a_plan_with_secure_sums(cohort: Cohort) -> None:
    plan, policy = cohort.plan, cohort.sites["site-1"].policy
    weights = shared_weights(build_model(plan))
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    order = SumOrder(1, 1, 2, "00" * 32, setups=b"")
    task = TrainTask("train", RUN, 1, 7, "site-1", plan, weights, sum=order)
    result = TrainResult(plan_number(plan), 1, 7, n_images=30, update=weights)
    n = PooledLayout(plan, "train", shapes, 3).length
    masked = np.zeros(n, np.uint32)

    with pytest.raises(DisclosureError, match="an update that is not masked"):
        release(result, task, policy, shapes)
    alone = TrainResult(plan_number(plan), 1, 7, masked=masked)
    let_out(encode_result(alone, plan), task, policy, shapes, NOTHING)
    for told, what in (
        (replace(alone, n_images=30), "n_images that is not masked"),
        (replace(alone, train_loss=0.5), "train_loss that is not masked"),
        (replace(alone, exact_auc=0.5), "exact_auc that is not masked"),
        (replace(alone, masked=masked[1:]), "another size"),
        (replace(alone, masked=masked.view(np.float32)), "another size or type"),
        (replace(alone, part=b"abc"), "has not the record"),
        (replace(alone, masked=None), "has not the record"),
    ):
        with pytest.raises(DisclosureError, match=what):
            let_out(encode_result(told, plan), task, policy, shapes, NOTHING)


def test_masked_numbers_do_not_leave_under_a_plan_without_secure_sums(plan: Plan) -> None:
    task = TrainTask("train", RUN, 1, 7, "site-1", plan, {})
    content = encode_result(TrainResult(plan_number(plan), 1, 7, part=b"patient"), plan)

    with pytest.raises(DisclosureError, match="a record of a secure sum, which the plan has not"):
        let_out(content, task, Policy(), {}, NOTHING)


def test_a_policy_that_wants_larger_sums_masks_nothing(cohort: Cohort) -> None:
    name = "site-1"
    policy = cohort.sites[name].policy.model_copy(update={"at_least": 4})
    cohort.sites[name] = replace(cohort.sites[name], policy=policy)

    reply = cohort.ask(name, "keys", 0, cohort.stretch().order_keys())

    assert code(reply) == 400
    assert "of 3 hospitals 3 could be summed, 4 are the fewest (policy P21" in cohort.said[-1]
    state = cohort.sites[name].state
    assert state is not None
    assert not (state / "secure").exists()


def other_group(cohort: Cohort) -> Group:
    lines = dict(zip(cohort.group.names, cohort.group.keys, strict=True))
    line = key_line(Ed25519PrivateKey.generate().public_key())
    return Group.of({**lines, "site-4": line})


def test_another_group_waits_for_a_person_and_nothing_of_it_is_made(cohort: Cohort) -> None:
    name, site = "site-1", cohort.sites["site-1"]
    cohort.group = other_group(cohort)

    reply = cohort.ask(name, "keys", 0, cohort.stretch().order_keys())

    assert code(reply) == 410
    assert "are others than were approved" in cohort.said[-1]
    assert site.state is not None
    assert proposed_group(site.state, cohort.plan) == cohort.group
    assert not (site.state / "secure").exists()
    approve_group(site.state, cohort.plan, cohort.group)
    assert code(cohort.ask(name, "keys", 0, cohort.stretch().order_keys())) == 0


def test_a_hospital_whose_state_was_put_back_masks_and_opens_nothing(cohort: Cohort) -> None:
    stretch, name = cohort.set_up(), "site-1"
    state = cohort.sites[name].state
    assert state is not None
    lost = Statement(99, "ab" * 32, 1.7e9, "SHA256:x", "00")
    (state / "statements.json").write_text(json.dumps({"newest": None, "missing": [asdict(lost)]}))

    reply = cohort.ask(name, "train", 1, stretch.order_round(1, 1))

    assert code(reply) == 600
    assert "an older copy of the folder was put back" in cohort.said[-1]


def test_the_ledger_names_what_was_masked_and_keys_that_left(cohort: Cohort) -> None:
    stretch = cohort.set_up()
    cohort.ask("site-1", "train", 1, stretch.order_round(1, 1))
    state = cohort.sites["site-1"].state
    assert state is not None

    lines = message_entries(state)

    n = cohort.layout("train").length
    assert [line.kind for line in lines] == ["keys", "setups", "train"]
    assert [line.facts["arrays"] for line in lines] == [
        {"part": [96]}, {"part": [2 * (128 + 2 * 82)]}, {"masked": [n]},
    ]  # fmt: skip
    key = state / "secure" / RUN / "sums.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700


def test_the_hospitals_are_shown_with_fingerprints_and_approved_apart_from_the_plan(
    cohort: Cohort, tmp_path: Path
) -> None:
    site, screen = cohort.sites["site-1"], Said()
    assert site.state is not None
    earlier, cohort.group = cohort.group, other_group(cohort)
    cohort.ask("site-1", "keys", 0, cohort.stretch().order_keys())
    n_approvals = approvals.n_approvals(site.state, cohort.plan.hash())

    assert approve_plan(site.state.parent, None, lambda text: True, screen)

    for line in cohort.group.keys:
        assert fingerprint((line,)) in screen.text
    assert "site-1 | " in screen.text
    assert "this hospital" in screen.text
    assert "compare the fingerprint" in screen.text
    assert "with site-4, who is new" in screen.text
    assert "a sum is of 3 to 4 of these 4" in screen.text
    assert approved_groups(site.state, cohort.plan.hash())[-1].hash == cohort.group.hash
    assert approvals.n_approvals(site.state, cohort.plan.hash()) == n_approvals
    cohort.group = earlier  # only the group that was approved last counts
    assert code(cohort.ask("site-1", "keys", 0, cohort.stretch(2).order_keys())) == 410


def test_a_group_that_changes_after_answers_is_warned_of(cohort: Cohort) -> None:
    stretch, screen = cohort.set_up(), Said()
    cohort.ask("site-1", "train", 1, stretch.order_round(1, 1))
    state = cohort.sites["site-1"].state
    assert state is not None
    cohort.group = other_group(cohort)
    cohort.ask("site-1", "keys", 0, cohort.stretch(2).order_keys())

    approve_plan(state.parent, None, lambda text: False, screen)

    assert "Two sums of the same plan that differ by one hospital" in screen.text
    assert approved_groups(state, cohort.plan.hash())[-1].hash != cohort.group.hash
