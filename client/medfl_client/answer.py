"""One task answered: permit, score, train, guard, ledger. Whatever goes wrong becomes a code.

The firewall is `answer`: no exception passes it, and nothing of its text does. The site finds the
text under the incident number in `incidents.jsonl`.
"""

import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from flwr.app import RecordDict
from torch import nn

from medfl_client import approvals, ledger, replies
from medfl_client.dataset import SiteData
from medfl_client.evaluate import exact_auc, score, tally, tally_groups
from medfl_client.guard import let_out, permit, refuse, release, sign, why_no_scores
from medfl_client.kept_models import keep_model
from medfl_client.local_report import local_report
from medfl_client.objectives import OBJECTIVES
from medfl_client.receipts import RELEASED, decision_of, mb_of_last_day, write_receipt
from medfl_client.site import Site
from medfl_client.site_file import Policy
from medfl_client.train import Trained, seed_layers, train
from medfl_client.workbench import Workbench, shapes_of
from medfl_common.content import n_bytes
from medfl_common.errors import code_of, new_incident
from medfl_common.files import write_atomic
from medfl_common.models.network import Network
from medfl_common.params import difference, load_shared, shared_weights
from medfl_common.records import (
    Shapes,
    TrainResult,
    TrainTask,
    decode_task_head,
    decode_task_weights,
    plan_number,
)
from medfl_common.screen import in_words

NOT_SENT = "not sent"  # how a line about a refusal begins
Tell = Callable[[str], None]  # one line for the eyes of the site


def answer(content: RecordDict, site: Site, bench: Workbench, tell: Tell) -> RecordDict:
    """Answer one task; the reply holds numbers and arrays that the guard released, or a code."""
    task: TrainTask | None = None
    try:
        task = decode_task_head(content)
        return _sealed(_answer(content, task, site, bench, tell), task, site)
    except Exception as error:  # the firewall: texts and tracebacks stay here
        incident = new_incident()
        if bench.is_news(error):
            tell(f"{NOT_SENT}: {error} (MEDFL-E{code_of(error)}, incident {incident})")
        _write_incident(site.state, incident, error)
        reply = refuse(task, code_of(error), incident)
        _write_ledger(site, task, reply, {}, decision_of(error))
        return _sealed(reply, task, site)


def _sealed(reply: RecordDict, task: TrainTask | None, site: Site) -> RecordDict:
    return sign(reply, task, site.signing) if site.signing is not None else reply


def _answer(
    content: RecordDict, head: TrainTask, site: Site, bench: Workbench, tell: Tell
) -> RecordDict:
    _permit(head, site)
    model = bench.model_for(head.plan, site.device)
    shapes = shapes_of(model, "shared")
    sent_mb = mb_of_last_day(site.state) if site.state else 0.0
    kept = replies.find(site.state, head, site.policy) if site.state else None
    if kept is not None:
        let_out(kept, head, site.policy, shapes, sent_mb)
        _write_ledger(site, head, kept, shapes, RELEASED)
        tell(f"round {head.round}: answered before; the same reply is sent again")
        return kept
    if head.kind == "describe":
        task, result = head, tell_of(head, bench.data_for(head.plan, site, head.site))
    else:
        task = decode_task_weights(content, head, shapes, shapes_of(model, "start", "local"))
        result = _work(task, model, site, bench)
    reply = release(result, task, site.policy, shapes, sent_mb)
    _permit(head, site)  # the hospital may have withdrawn while this worked
    if site.state:
        replies.keep(site.state, task, site.policy, reply)
    _write_ledger(site, task, reply, shapes, RELEASED)
    _tell_result(result, task, reply, site.policy, bench.seconds_left(task), tell)
    return reply


def _permit(task: TrainTask, site: Site) -> None:
    """Refuse what policy and approvals do not allow; a virtual hospital keeps no approvals."""
    permit(task.plan, site.policy, task.kind)
    if site.state is not None:
        approvals.require(site.state, task.plan, site.policy)


def _work(task: TrainTask, model: Network, site: Site, bench: Workbench) -> TrainResult:
    """Work with what is sent once, and with what stays here, in place."""
    bench.take_start(task, model)
    layers = bench.local_for(task, site, model)
    inputs = bench.inputs_for(task, site, model)
    result = work(task, model, inputs, site.device)
    if layers is not None and task.kind == "train":
        layers.keep(task.round, shared_weights(model, "local"))
    if task.kind == "evaluate" and site.state is not None:
        kept = keep_model(site.state, task.run, task.plan, model, result.tally)
        if len(inputs.validation):
            trunk = model if inputs.validation.is_pictures else model.head
            scored = score(trunk, inputs.validation, task.plan, site.device)
            write_atomic(kept / "scores.txt", local_report(*scored, task.plan).encode())
    return result


def work(
    task: TrainTask,
    model: Network,
    data: SiteData,
    device: torch.device,
    max_steps: int | None = None,
) -> TrainResult:
    """Score the task's weights on the validation images; if asked to, train and give the update.

    `data` holds features where the backbone is frozen (`feature_data`).
    """
    started = time.monotonic()
    load_shared(model, task.weights)
    trunk = model if data.train.is_pictures else model.head
    scored, area, groups = None, None, None
    if len(data.validation):
        logits, targets = score(trunk, data.validation, task.plan, device)
        scored, area = tally(logits, targets, task.plan), exact_auc(logits, targets, task.plan)
        if task.kind == "evaluate":
            groups = tally_groups(logits, targets, data.groups, task.plan)
    trained, update = Trained(0, 0, 0.0), None
    if task.kind == "train":
        trained = _train(task, trunk, data, device, max_steps)
        update = difference(shared_weights(model), task.weights)
    return TrainResult(
        plan=plan_number(task.plan),
        round=task.round,
        nonce=task.nonce,
        n_images=trained.n_images,
        n_steps=trained.n_steps,
        train_loss=trained.loss,
        seconds=round(time.monotonic() - started, 3),
        tally=scored,
        exact_auc=area,
        update=update,
        groups=groups or {},
    )


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


def _train(
    task: TrainTask,
    trunk: nn.Module,
    data: SiteData,
    device: torch.device,
    max_steps: int | None,
) -> Trained:
    """Train the loaded model; the update is a plain function of (weights, data, plan, round)."""
    start = {name: tensor.to(device) for name, tensor in task.weights.items()}
    term = OBJECTIVES.get(task.plan.training.objective)(start)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seed_layers(task.plan, task.round, task.site, device)
        return train(trunk, data.train, task.plan, task.round, task.site, term, device, max_steps)


def _tell_result(
    result: TrainResult,
    task: TrainTask,
    reply: RecordDict,
    policy: Policy,
    left: float | None,
    tell: Tell,
) -> None:
    n_rounds = task.plan.federation.rounds
    is_last = task.kind == "evaluate"
    parts = ["the study's last scoring" if is_last else f"round {task.round} of {n_rounds}"]
    if result.statistics is not None:
        parts = [f"statistics of {result.statistics.samples} samples, as the policy allows"]
    if result.tally is not None:
        area = "n/a" if result.exact_auc is None else f"{result.exact_auc:.3f}"
        parts.append(f"global model here: loss {result.tally.loss:.3f}, AUC {area}")
        if "n_scored" not in reply.metric_records["numbers"]:
            parts.append(f"scores kept back: {why_no_scores(policy)}")
    if result.update is not None:
        parts.append(f"trained on {result.n_images} images, loss {result.train_loss:.3f}")
    parts.append(f"{n_bytes(reply) / 1e6:.2f} MB sent after {result.seconds:.1f} s")
    if left is not None and not is_last:
        parts.append(f"{in_words(left)} left")
    tell("; ".join(parts))


def _write_ledger(
    site: Site, task: TrainTask | None, reply: RecordDict, shapes: Shapes, decision: str
) -> None:
    if site.state is not None:
        write_receipt(site.state, task, reply, shapes, site.server, decision)


def _write_incident(state: Path | None, incident: int, error: Exception) -> None:
    if state is None:
        return
    ledger.append(
        state / "incidents.jsonl",
        {"incident": incident, "error": "".join(traceback.format_exception(error))},
    )
