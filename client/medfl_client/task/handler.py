"""One task answered: permit, score, train, guard, ledger. Whatever goes wrong becomes a code.

The firewall is `handle_task`: no exception passes it, and nothing of its text does. The site finds
the text under the incident number in `incidents.jsonl`.
"""

import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from flwr.app import RecordDict

from medfl_client.config.folder import StateFolder
from medfl_client.config.site_file import rule
from medfl_client.data.dataset import SiteData
from medfl_client.egress import approvals, budget, ledger, questions
from medfl_client.egress import kept_reply as replies
from medfl_client.egress.guard import let_out, permit, refuse, release, sign
from medfl_client.egress.message_entry import NOTHING, RELEASED, Sent, mb_sent
from medfl_client.egress.model_step import check_step, keep_step
from medfl_client.egress.questions import Entered
from medfl_client.model_use.box_report import keep_with_boxes
from medfl_client.model_use.kept_models import keep_model, personal_name
from medfl_client.model_use.local_report import local_report
from medfl_client.model_use.mask_report import keep_with_masks
from medfl_client.task.farewell import farewell_in
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
    ClientState,
    read_client_state,
    write_client_state,
)
from medfl_client.training.evaluate import count_scores, score
from medfl_client.training.local_round import work
from medfl_common.errors import (
    DisclosureError,
    MedflError,
    code_of,
    full_disk,
    new_incident,
    reason_of,
)
from medfl_common.files import write_atomic
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.models.network import Network
from medfl_common.models.weights import load_shared, shared_weights
from medfl_common.wire.ledger_statement import LastLine
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
    _permit(head, site, session)
    model = session.model_for(head.plan, site.device)
    shapes = shapes_of(model, "shared")
    sent = mb_sent(site.state, site.policy) if site.state else NOTHING
    write_owed(session)
    question = question_sha256(content)
    kept = _kept_reply(head, question, site, shapes, sent)
    if kept is not None:
        tell(f"round {head.round}: answered before; the same reply is sent again")
        return kept
    if is_small_trip(head):
        return answer_trip(head, site, session, sent, tell)
    task, result = _do(content, head, model, site, session, tell)
    result = replace(result, versions=own_versions())
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
        session.few_apart(head, site, entered.is_again)
        return head, tell_of(head, session.data_for(head.plan, site, head.site))
    shapes = shapes_of(model, "shared")
    task = decode_task_weights(content, head, shapes, shapes_of(model, "start", "local"))
    entered = _enter(content, task, site)
    if task.kind == "evaluate" and site.state is not None and not entered.keeps:
        tell("another model is scored than the one kept here; the kept one stays as it is")
    is_bound = site.policy.model_step is not None
    if site.state is not None and is_bound:
        check_step(site.state, task, site.policy.model_step)
    few = session.few_apart(task, site, entered.is_again)
    result = _work(task, model, site, session, entered.keeps)
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
    permit(task.plan, site.policy, task.kind)
    if site.state is not None:
        budget.check_bounded(site.state, task.plan)
        approvals.require(site.state, task.plan, site.policy)
        questions.check_head(task, site.name)
    permit_sum(task, site, session)


def _work(
    task: TrainTask, model: Network, site: Site, session: Session, keeps: bool
) -> TrainResult:
    """Work with what is sent once, and with what stays here, in place."""
    session.take_start(task, model)
    layers, kept = session.local_for(task, site, model), session.client_state_for(task, site)
    inputs = session.inputs_for(task, site, model)
    # A scored model's round has been made, and its state is the newest.
    client_state = read_client_state(kept, NEWEST if task.is_scoring else task.round)
    result = work(task, model, inputs, site.device, None, client_state, site.epochs)
    if layers is not None and task.kind == "train":
        layers.keep(task.round, shared_weights(model, "local"))
    write_client_state(kept, task.round, client_state)
    if keeps:
        _keep_models(task, model, result, inputs, site, client_state)
    return result


def _keep_models(
    task: TrainTask,
    model: Network,
    result: TrainResult,
    data: SiteData,
    site: Site,
    client_state: ClientState,
) -> None:
    """Keep the finished model for the site's own use, and its personal one where there is one."""
    assert site.state is not None
    scored = (
        result.score_counts if task.kind == "evaluate" else None
    )  # test patients choose nothing
    _keep_model(site.state, task.run, task, model, scored, data, site.device)
    if personal := client_state.of("personal"):
        load_shared(model, personal)
        _keep_model(site.state, personal_name(task.run), task, model, None, data, site.device)


def _keep_model(
    state: Path,
    name: str,
    task: TrainTask,
    model: Network,
    scored: ScoreCounts | None,
    data: SiteData,
    device: torch.device,
) -> None:
    if task.plan.task.has_masks:
        keep_with_masks(state, name, task.plan, model, data, device)
        return
    if task.plan.task.has_boxes:
        keep_with_boxes(state, name, task.plan, model, data, device)
        return
    logits_and_targets = None
    if len(data.validation):
        trunk = model if data.validation.is_images else model.head
        logits_and_targets = score(trunk, data.validation, task.plan, device)
        scored = scored or count_scores(*logits_and_targets, task.plan)
    folder = keep_model(state, name, task.plan, model, scored)
    if logits_and_targets is not None:
        report = local_report(*logits_and_targets, task.plan)
        write_atomic(folder / "scores.txt", report.encode())


def tell_of(task: TrainTask, data: SiteData) -> TrainResult:
    """Count the site's samples; nothing is trained or scored."""
    started = time.monotonic()
    counts = data.describe() if data.describe is not None else None
    return TrainResult(
        plan=plan_number(task.plan),
        round=task.round,
        nonce=task.nonce,
        seconds=round(time.monotonic() - started, 3),
        statistics=counts,
    )
