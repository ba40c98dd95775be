"""`medfl-client check`: show a whole round, without sending it, to the person who decides."""

import time
from pathlib import Path
from secrets import token_bytes

from flwr.app import RecordDict

from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.site_file import Policy, load_site_file
from medfl_client.data.dataset import SiteData
from medfl_client.data.ingest import Collection, collect
from medfl_client.data.labels import count_labels
from medfl_client.data.reasons import count_reasons, file_rows
from medfl_client.data.site_data import own_data
from medfl_client.data.split import NO_TEST
from medfl_client.egress.approvals import status_of
from medfl_client.egress.guard import permit, release, why_no_scores
from medfl_client.egress.plugin_rules import allow_plugins
from medfl_client.egress.sums.released import without_masks
from medfl_client.readiness.boxes import box_tables, met_boxes
from medfl_client.readiness.left_out import write_left_out
from medfl_client.readiness.masks import mask_tables, met_facts
from medfl_client.task.session import Session, shapes_of
from medfl_client.task.site import choose_device
from medfl_client.training.frozen_features import feature_data
from medfl_client.training.local_round import work
from medfl_client.training.private_round import NoiseAtSite, work_with_noise
from medfl_common.errors import DisclosureError
from medfl_common.models.weights import norm, shared_weights
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.ui.screen import Screen
from medfl_common.wire.digest import n_bytes
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import Kind, TrainTask
from medfl_common.wire.tensors import Shapes

SAMPLES = {
    "image": "images", "series": "series", "study": "studies", "candidate": "candidates",
}  # fmt: skip


def check_site(folder: Path, plan_file: Path, screen: Screen) -> None:
    """Read the data for a plan, train one step, and print what a round would send. Sends nothing.

    Raises the error that would stop the site from taking part.
    """
    site, plan = load_site_file(folder), load_plan(plan_file)
    screen.say(f"plan {plan.study}, hash {plan.hash()}")
    kind: Kind = "train" if site.policy.role == "train" else "test"
    permit(plan, site.policy, kind)
    allow_plugins(plan, site.policy)
    state = SiteFolder(folder).state
    _show_approval(folder, plan, site.policy, screen)
    found = collect(folder, state, site.data, plan, screen.watch)
    _show_data(found, state, screen)
    if found.masks is not None:
        for table in mask_tables(met_facts(found, site.data, plan)):
            screen.table(table.header, table.rows)
    if found.boxes is not None:
        for table in box_tables(met_boxes(found, plan)):
            screen.table(table.header, table.rows)
    data = own_data(state, site, found, plan)
    _show_split(found, plan, data, screen)
    device = choose_device(site.compute.device)
    model = Session().model_for(plan, device)
    shapes = shapes_of(model, "shared")
    task = TrainTask(kind, "0" * 32, 1, 0, site.site, plan, shared_weights(model))
    if plan.model.freeze == "all" and not plan.task.is_dense:
        data = feature_data(model, data, plan, site.site, device)
    started = time.monotonic()
    if plan.privacy.noise is None:
        result = work(task, model, data, device, max_steps=1)
    else:
        tried = NoiseAtSite(token_bytes(32), site.data.patients, lambda question, cost: None)
        result = work_with_noise(task, model, data, device, tried, max_steps=1)
    what = "one training step and the scoring" if kind == "train" else "the scoring"
    screen.say(f"{what} took {time.monotonic() - started:.1f} s on {device}")
    _show_reply(result, task, site.policy, shapes, screen)


def _show_approval(folder: Path, plan: Plan, policy: Policy, screen: Screen) -> None:
    status = status_of(SiteFolder(folder).state, plan.hash())
    if status == "approved" or (policy.approval == "none" and status == "not approved"):
        screen.say(f"the plan is {status} here; policy.approval is {policy.approval}")
    else:
        screen.say(f"the plan is {status}: it runs only after medfl-client approve {folder} PLAN")


def _show_data(found: Collection, state: Path, screen: Screen) -> None:
    rows = file_rows(len({sample.row.name for sample in found.samples}), found.refused)
    if found.n_labels_unused and not found.unused_boxes:
        rows.append([str(found.n_labels_unused), "lines of the label file without an image"])
    for reason, n in count_reasons(found.unused_masks).items():
        rows.append([str(n), f"masks without an image: {reason}"])
    for reason, n in count_reasons(found.unused_boxes).items():
        rows.append([str(n), f"images of the list of boxes that are not here: {reason}"])
    for reason, n in found.refused_parts.items():
        rows.append([str(n), f"frames or candidates left out of used files: {reason}"])
    screen.table(["files", "what became of them"], rows)
    left_out = found.refused | found.unused_masks | found.unused_boxes
    if left_out:
        path = StateFolder(state).left_out
        write_left_out(left_out, path)
        screen.say(f"the list of left-out files, with their reasons: {path} (stays here)")


def _show_split(found: Collection, plan: Plan, data: SiteData, screen: Screen) -> None:
    n_patients = len(set(found.patients))
    counts = [
        f"{n} {name}"
        for name, n in count_labels([s.targets for s in found.samples], plan.task).items()
    ]
    what = SAMPLES[plan.images.sample]
    screen.say(
        f"{len(found.samples)} {what} of {n_patients} patients: {', '.join(counts)}; "
        f"{len(data.train)} to train on, {len(data.validation)} to validate on, {len(data.test)} "
        "to test on, no patient in two of them"
    )
    if plan.evaluation.test and not len(data.test) and len(data.train):
        screen.say(NO_TEST)


def _show_reply(
    result: TrainResult, task: TrainTask, policy: Policy, shapes: Shapes, screen: Screen
) -> None:
    task, mask = without_masks(task, shapes)
    try:
        reply = release(result, task, policy, shapes, mask=mask)
    except DisclosureError as error:
        screen.say(f"the guard would send only a code: {error}")
        raise
    screen.say("what one round would send, by name; nothing has left:")
    update = result.update or {}
    tensors = [
        [name, " x ".join(map(str, tensor.shape)) or "1", f"{tensor.numel() * 4:,}"]
        for name, tensor in update.items()
    ]
    screen.table(["update", "shape", "bytes"], tensors)
    screen.table(["number", "value"], _numbers(reply))
    if mask is not None:
        screen.say("update, counts and scores would leave masked, as one list of whole numbers")
    elif result.is_scored and "n_scored" not in reply.metric_records["numbers"]:
        what = "cases" if task.plan.task.is_dense else "images"
        screen.say(f"the scores would be withheld: {why_no_scores(policy, what)}")
    screen.say(
        f"total: {n_bytes(reply):,} bytes a round (norm of the update {norm(update):.3g}); "
        "they hold no image, header, name or path"
    )


def _numbers(reply: RecordDict) -> list[list[str]]:
    rows = []
    for name, value in reply.metric_records["numbers"].items():
        shown = str(value) if not isinstance(value, list) else _short(value)
        rows.append([name, shown])
    return rows


def _short(values: list[int] | list[float]) -> str:
    text = " ".join(str(value) for value in values)
    return text if len(text) <= 60 else f"{len(values)} counts, total {sum(values)}"
