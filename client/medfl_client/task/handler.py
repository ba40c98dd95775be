"""One task answered: permit, score, train, guard, ledger. Whatever goes wrong becomes a code.

The firewall is `handle_task`: no exception passes it, and nothing of its text does. The site finds
the text under the incident number in `incidents.jsonl`.
"""

import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flwr.app import RecordDict

from medfl_client.config.folder import StateFolder
from medfl_client.config.rules import rule
from medfl_client.data.dataset import SiteData
from medfl_client.egress import approvals, budget, ledger, questions
from medfl_client.egress import kept_reply as replies
from medfl_client.egress.guard import let_out, permit, refuse, release, sign
from medfl_client.egress.message_entry import NOTHING, RELEASED, Sent, mb_sent
from medfl_client.egress.model_step import check_step, keep_step
from medfl_client.egress.patient_sets import FewApart
from medfl_client.egress.plugin_rules import allow_plugins
from medfl_client.egress.privacy_ledger import check_statements
from medfl_client.egress.questions import Entered
from medfl_client.egress.told_flows import FEW, apart_from_told
from medfl_client.task.farewell import farewell_in
from medfl_client.task.graphs_here import have_graphs
from medfl_client.task.keeping import keep_models
from medfl_client.task.noise_at_site import noise_at
from medfl_client.task.picture_alarm import try_to_read
from medfl_client.task.records import note_refusal, write_ledger, write_owed
from medfl_client.task.reply_line import line_of
from medfl_client.task.secure import (
    answer_trip,
    is_small_trip,
    mask_of,
    permit_sum,
)
from medfl_client.task.session import Session, shapes_of
from medfl_client.task.site import Site
from medfl_client.training.client_state import (
    NEWEST,
    read_client_state,
    write_client_state,
)
from medfl_client.training.local_round import work
from medfl_client.training.private_round import work_with_noise
from medfl_common.errors import (
    DisclosureError,
    MedflError,
    code_of,
    new_incident,
    reason_of,
)
from medfl_common.full import full_disk
from medfl_common.models.network import Network
from medfl_common.models.weights import shared_weights
from medfl_common.wire.device import kind_of
from medfl_common.wire.ledger_statement import LastLine, statement_in
from medfl_common.wire.results import TrainResult, plan_number
from medfl_common.wire.tasks import (
    TrainTask,
    asked_sha256,
    check_protocol,
    decode_task_head,
    decode_task_weights,
    question_sha256,
)
from medfl_common.wire.tensors import Shapes
from medfl_common.wire.versions import own_versions

Tell = Callable[[str], None]  # one line for the eyes of the site


class NotSent(str):
    """A line that says what the site did not send, and why."""

    __slots__ = ()


def handle_task(content: RecordDict, site: Site, session: Session, tell: Tell) -> RecordDict:
    """Answer one task; the reply holds numbers and arrays that the guard released, or a code."""
    task, digest = None, ""
    try:
        check_protocol(content)
        signed = site.check_task(content, tell)
        if signed and (farewell := farewell_in(content, site)) is not None:
            tell(farewell)
            return RecordDict()  # it asks for nothing, and nothing leaves
        task, digest = decode_task_head(content), signed
        return _sealed(_answer(content, task, site, session, tell), digest, site)
    except Exception as error:  # the firewall: texts and tracebacks stay here
        return _sealed(_refuse(error, task, site, session, tell), digest, site)


def _refuse(
    error: Exception, task: TrainTask | None, site: Site, session: Session, tell: Tell
) -> RecordDict:
    """Turn an exception into a code; its text goes to the site's own files and eyes."""
    error = full_disk(error, str((site.state or Path()).resolve())) or error
    incident = new_incident()
    if session.is_news(error):
        why = _explained(error, site)
        tell(NotSent(f"not sent: {why} (MEDFL-E{code_of(error)}, incident {incident})"))
    reply = refuse(task, code_of(error), incident)
    note_refusal(site, task, reply, session, incident, error)
    return reply


def _explained(error: Exception, site: Site) -> str:
    """Say why in a sentence; where no incidents are kept, of a fault in the code all its lines."""
    if isinstance(error, MedflError):
        return str(error)
    if site.state is None:
        return "".join(traceback.format_exception(error))
    return reason_of(error, "something unforeseen happened, see state/incidents.jsonl")


def _sealed(reply: RecordDict, digest: str, site: Site) -> RecordDict:
    if site.signing is None or site.state is None:
        return reply
    head = ledger.last(StateFolder(site.state).ledger)
    return sign(reply, digest, site.signing, LastLine(head.n_lines, head.hash))


def _answer(
    content: RecordDict, head: TrainTask, site: Site, session: Session, tell: Tell
) -> RecordDict:
    if head.plan.brings_data:
        have_graphs(content, head.plan, site.state)
    _permit(head, site, session)
    model = session.model_for(head.plan, site.device)
    shapes = shapes_of(model, "shared")
    sent = mb_sent(site.state, site.policy) if site.state else NOTHING
    write_owed(session)
    question = question_sha256(content) if site.state else ""
    kept = _kept_reply(head, question, site, shapes, sent)
    if kept is not None:
        tell(f"round {head.round}: answered before; the same reply is sent again")
        return kept
    if is_small_trip(head):
        return answer_trip(head, site, session, sent, tell)
    task, result = _do(content, head, model, site, session, tell)
    result = replace(result, versions=own_versions(), device=kind_of(site.device.type))
    _permit(head, site, session)  # the hospital may have withdrawn while this worked
    mask = mask_of(head, content, site, session, shapes)
    reply = release(result, task, site.policy, shapes, sent, mask)
    if site.state:
        replies.keep(site.state, task, question, site.policy, reply)
    write_ledger(site, task, reply, shapes, RELEASED)
    session.forget_refusal()
    tell(line_of(result, task, reply, site.policy, session.seconds_left(task)))
    return reply


def _kept_reply(
    head: TrainTask, question: str, site: Site, shapes: Shapes, sent: Sent
) -> RecordDict | None:
    """Return the reply released for this very task before; None: there is none."""
    kept = replies.find(site.state, head, question, site.policy) if site.state else None
    if kept is None:
        return None
    try:
        let_out(kept, head, site.policy, shapes, sent)
    except DisclosureError:  # an earlier version let more out: it is made anew
        return None
    write_ledger(site, head, kept, shapes, RELEASED)
    return kept


def _do(
    content: RecordDict, head: TrainTask, model: Network, site: Site, session: Session, tell: Tell
) -> tuple[TrainTask, TrainResult]:
    """Do what the task asks, once it is in the book; give it with its weights, and the result."""
    if head.kind == "describe":
        entered = _enter(content, head, site)
        few = session.few_apart(head, site, entered.is_again)
        counted = tell_of(head, session.data_for(head.plan, site, head.site))
        if site.state is None:
            return head, counted
        others = few != FewApart()
        told = apart_from_told(site.state, counted, site.policy.min_cell, others)
        if counted.participants is not None and told.participants is None:
            tell(f"{FEW} {rule('min_cell')}")
        return head, told
    shapes = shapes_of(model, "shared")
    task = decode_task_weights(content, head, shapes, shapes_of(model, "start", "local"))
    entered = _enter(content, task, site)
    if task.kind == "evaluate" and site.state is not None and not entered.keeps:
        tell("another model is scored than the one kept here; the kept one stays as it is")
    is_bound = site.policy.model_step is not None
    if site.state is not None and is_bound:
        check_step(site.state, task, site.policy.model_step)
    few = session.few_apart(task, site, entered.is_again)
    is_stated = site.study_key is None or statement_in(content) is not None
    result = _work(task, model, site, session, entered.keeps, is_stated)
    inputs = session.inputs_for(task, site, model)
    if readable := try_to_read(task, model, inputs, result, site):
        tell(readable)
    if site.state is not None and is_bound:
        keep_step(site.state, task, result.update)
    n_others = few.tested if task.kind == "test" else few.scored
    if n_others and result.is_scored:
        tell(f"scores withheld: {n_others} patients are others than before {rule('min_cell')}")
        result = result.without_scores()
    return task, result


def _enter(content: RecordDict, task: TrainTask, site: Site) -> Entered:
    """Write the question into the book, or refuse it; a virtual hospital keeps none."""
    if site.state is None:
        return Entered()
    return questions.enter(site.state, task, asked_sha256(content), site.policy)


def _permit(task: TrainTask, site: Site, session: Session) -> None:
    """Refuse what policy and approvals do not allow; a virtual hospital keeps no approvals."""
    brings = task.plan.brings_data or bool(task.plan.plugins)
    if site.state is not None and brings:  # it waits for who reads it, and lists what it brings
        approvals.require(site.state, task.plan, site.policy)
    permit(task.plan, site.policy, task.kind)
    if site.state is not None:
        if StateFolder(site.state).privacy.exists():
            budget.check_bounded(site.state, task.plan)
        if task.plan.privacy.noise or task.plan.privacy.secure_sum:
            check_statements(site.state)
        approvals.require(site.state, task.plan, site.policy)
        questions.check_head(task, site.name)
    if task.plan.plugins:
        allow_plugins(task.plan, site.policy)  # only now: the plan was approved
    permit_sum(task, site, session)


def _work(
    task: TrainTask, model: Network, site: Site, session: Session, keeps: bool, is_stated: bool
) -> TrainResult:
    """Work with what is sent once, and with what stays here, in place."""
    session.take_start(task, model)
    layers, kept = session.local_for(task, site, model), session.client_state_for(task, site)
    inputs = session.inputs_for(task, site, model)
    # A scored model's round has been made, and its state is the newest.
    client_state = read_client_state(kept, NEWEST if task.is_scoring else task.round)
    if task.plan.privacy.noise is None:
        result = work(task, model, inputs, site.device, None, client_state, site.epochs)
    else:
        at_site = noise_at(site, task, is_stated)
        result = work_with_noise(task, model, inputs, site.device, at_site, client_state)
    if layers is not None and task.kind == "train":
        layers.keep(task.round, shared_weights(model, "local"))
    write_client_state(kept, task.round, client_state)
    if keeps:
        keep_models(task, model, result, inputs, site, client_state)
    return result


def tell_of(task: TrainTask, data: SiteData) -> TrainResult:
    """Count the site's samples; nothing is trained or scored."""
    started = time.monotonic()
    counts = data.describe() if data.describe is not None else None
    is_asked = task.plan.federation.participants and data.participants is not None
    return TrainResult(
        plan=plan_number(task.plan),
        round=task.round,
        nonce=task.nonce,
        seconds=round(time.monotonic() - started, 3),
        statistics=counts,
        participants=data.participants() if is_asked and data.participants is not None else None,
    )
