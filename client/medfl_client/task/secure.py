"""What a task of a plan with secure sums asks of this site, beside its work."""

from collections.abc import Callable

from flwr.app import RecordDict

from medfl_client.egress.guard import release
from medfl_client.egress.message_entry import RELEASED, Sent
from medfl_client.egress.sums.groups import check_size, require_group, require_no_rollback
from medfl_client.egress.sums.released import Mask
from medfl_client.task.records import write_ledger
from medfl_client.task.session import Session
from medfl_client.task.site import Site
from medfl_common.wire.pooled import PooledLayout
from medfl_common.wire.results import TrainResult, plan_number
from medfl_common.wire.secure_sum import KINDS, Group, SumOrder, weights_digest
from medfl_common.wire.tasks import SCORINGS, TrainTask
from medfl_common.wire.tensors import Shapes


def permit_sum(task: TrainTask, site: Site, session: Session) -> None:
    """Refuse a group that is not approved or too small, and a state that was put back."""
    order, sums = task.sum, task.plan.privacy.secure_sum
    if order is None or sums is None:
        return
    told = Group(order.names, order.keys) if task.kind == "keys" else None
    if site.state is not None:
        require_no_rollback(site.state)
        require_group(site.state, task.plan, site.policy, order.group, told)
    group = told or session.member_for(task, site).group_of(order)
    check_size(len(group.names), sums, site.policy)


def is_small_trip(task: TrainTask) -> bool:
    """Say whether a task asks for keys or shares, and for nothing of the data."""
    return task.kind in KINDS


def answer_trip(
    task: TrainTask, site: Site, session: Session, sent: Sent, tell: Callable[[str], None]
) -> RecordDict:
    """Give keys or shares; asked the same again, a site gives the same, or refuses."""
    member, order = session.member_for(task, site), task.sum
    assert order is not None
    answers: dict[str, Callable[[SumOrder], bytes]] = {
        "keys": member.hello,
        "setups": member.setups,
        "open": lambda order: member.open(order, task.round),
    }
    part = answers[task.kind](order)
    result = TrainResult(plan_number(task.plan), task.round, task.nonce, part=part)
    reply = release(result, task, site.policy, {}, sent)
    write_ledger(site, task, reply, {}, RELEASED)
    session.forget_refusal()
    tell(_line_of(task, order))
    return reply


def mask_of(
    task: TrainTask, content: RecordDict, site: Site, session: Session, shapes: Shapes
) -> Mask | None:
    """Give what masks a result of this task; None: the plan has no secure sums."""
    order = task.sum
    if order is None:
        return None
    member = session.member_for(task, site)
    n_sites = len(member.group_of(order).names)
    layout = PooledLayout(task.plan, task.kind, shapes, n_sites)
    weights = weights_digest(content)
    return lambda result: member.mask(order, task.sum_round, layout.encode(result), weights)


def _line_of(task: TrainTask, order: SumOrder) -> str:
    last = "the last scoring"
    of = last if task.round >= SCORINGS else f"round {task.round}"
    what_for = last if order.first >= SCORINGS else f"rounds {order.first} to {order.last}"
    what = {
        "keys": f"keys for {what_for}, for sums of {len(order.names)} hospitals",
        "setups": f"sealed shares for the other {len(order.cohort) - 1} hospitals",
        "open": f"{of}: helped to open the sum of {len(order.summed)} hospitals",
    }
    return what[task.kind]
