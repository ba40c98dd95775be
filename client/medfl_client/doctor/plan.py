"""Check what a plan needs of this machine, and whether the site's policy allows it."""

import math
from dataclasses import replace
from pathlib import Path

import torch

from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.rules import RULES
from medfl_client.config.site_file import DataFiles, Policy
from medfl_client.data.cache import bytes_needed
from medfl_client.data.labels import read_csv
from medfl_client.data.masked import mask_bytes_needed
from medfl_client.data.reader import DicomReader
from medfl_client.doctor.files import Files
from medfl_client.egress.approvals import approved, status_of
from medfl_client.egress.guard import permit
from medfl_client.egress.plugin_rules import allow_plugins
from medfl_client.task.site import choose_device
from medfl_common.errors import ConfigError, DisclosureError
from medfl_common.ops.checks import Finding, fail, not_checked, ok, warn
from medfl_common.ops.machine import available_memory, check_disk, check_memory, in_bytes
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.ui.screen import in_words
from medfl_common.wire.cost import PROGRAM_BYTES, build_empty, sizes, training_bytes

ROW_BYTES = 2000  # of the index, for each file
RATES = (1, 10, 100)  # Mbit/s of a line
USUAL = 10  # Mbit/s: a line this slow must suffice


def list_policy(policy: Policy) -> Finding:
    """Show what this hospital allows, rule by rule."""
    rules = policy.model_dump(mode="json").items()
    return ok("\n".join(f"{RULES[name][0]} {name}: {_shown(value)}" for name, value in rules))


def check_plan(plan_file: Path, policy: Policy) -> Finding:
    """Read the plan, and build its network; its hash is what the hospital agrees to."""
    plan = load_plan(plan_file)
    if plan.plugins and (found := check_plugins(plan, policy)).state == "fail":
        return found
    try:
        build_empty(plan)
    except ConfigError as error:
        todo = error.todo or "correct the plan"
        found = fail(error.what, f"{todo}; send the plan to every hospital", "the coordinator")
        return replace(found, code=error.code)
    return ok(
        f"{plan.study}, {plan.federation.rounds} rounds of {plan.model.called}. Hash, to compare "
        f"by telephone: {plan.hash()}"
    )


def check_plan_allowed(plan: Plan, policy: Policy) -> Finding:
    """Say whether the policy would refuse the plan, and by which rule."""
    try:
        permit(plan, policy)
    except DisclosureError as error:
        return fail(
            f"this site would refuse the plan: {error.what}",
            error.todo
            or "change policy in site.yaml if the hospital agrees, or tell the coordinator",
        )
    return ok("the policy allows this plan")


def check_plugins(plan: Plan, policy: Policy) -> Finding:
    """Say whether the code that a plan needs is here as the policy has it; imports it then."""
    try:
        allow_plugins(plan, policy)
    except (DisclosureError, ConfigError) as error:
        return fail(error.what, error.todo or "correct the plan", "your IT department")
    named = "; ".join(map(str, plan.plugins))
    return ok(f"installed here by IT, never sent, and as the policy has it: {named}")


def check_approval(plan: Plan, policy: Policy, state: Path, folder: Path) -> Finding:
    """Say whether the hospital has approved this very plan."""
    status = status_of(state, plan.hash())
    if status == "approved" or (status == "not approved" and policy.approval == "none"):
        return ok("approved here" if status == "approved" else "needs no approval here")
    return warn(f"{status} here", f"read it: medfl-client approve {folder} PLAN", "you")


def check_some_approved(policy: Policy, site: SiteFolder) -> Finding:
    """Without a plan to look at: say whether this site would answer any task."""
    if found := approved(site.state):
        named = ", ".join(f"{record.study} (plan {record.plan[:12]})" for record in found)
        return ok(f"approved here: {named}; what follows is for the last")
    if policy.approval == "none":
        return not_checked(
            "disk, memory, line and policy for a plan", "name it with --plan FILE", "you"
        )
    return fail(
        "no plan is approved here, so this site would refuse every task",
        f"read the study's plan and approve it: medfl-client approve {site.path} PLAN",
    )


def check_room(folder: Path, data: DataFiles, plan: Plan, files: Files) -> Finding:
    """Compare the free disk with the cache, the index, the kept reply and the kept models."""
    n_samples = _samples(folder, data, plan, files)
    caches, reader = StateFolder.of(folder).cache, DicomReader()
    cache = bytes_needed(n_samples, plan.images, caches, reader)
    if plan.task.has_masks:
        cache += mask_bytes_needed(n_samples, plan, data.masks, caches, reader)
    n_weights, each_round, _ = sizes(plan)
    needed = cache + ROW_BYTES * files.n + 2 * each_round + 2 * 4 * n_weights
    more = "" if files.is_all else " or more"
    least = "" if plan.images.patch is None else "; volumes larger than a patch need more"
    return check_disk(
        SiteFolder(folder).state, needed, f"{n_samples:,}{more} samples and the models{least}"
    )


def check_training_memory(plan: Plan, wish: str) -> Finding:
    """Compare the memory of what trains, GPU or this machine, with what a step takes."""
    needed = PROGRAM_BYTES + training_bytes(plan)
    what_for = f"{plan.model.called} with {plan.training.batch_size} at a time"
    device = choose_device(wish)
    if device.type != "cuda":
        return check_memory(needed, what_for, available_memory())
    free, _ = torch.cuda.mem_get_info(device)
    return check_memory(needed, f"{what_for} on the GPU", free)


def check_device(wish: str) -> Finding:
    """Say on what this site trains, and whether torch has it."""
    device = choose_device(wish)  # its error says what to do
    if device.type == "cuda":
        n, index = torch.cuda.device_count(), device.index or 0
        if index >= n:
            return fail(f"compute.device is {wish}, torch sees {n}", "set compute.device: auto")
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        return ok(f"{name}, {in_bytes(free)} of {in_bytes(total)} free")
    if wish == "auto" and Path("/dev/nvidia0").exists():
        return warn(
            f"torch {torch.__version__} does not see the NVIDIA GPU here; trains on the CPU",
            "update the NVIDIA driver, or install the torch made for it",
            "your IT department",
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        return fail("compute.device is mps, and torch has none here", "set compute.device: auto")
    return ok(f"compute.device {wish}: trains on {device.type}")


def check_epochs(plan: Plan, wish: int | None) -> Finding:
    """Say how many epochs this site makes in a round, against what it wishes."""
    training = plan.training
    own, fewest, most = training.epochs_of(wish), training.fewest_epochs, training.most_epochs
    may = "leaves no choice" if fewest == most else f"lets a site choose {fewest} to {most}"
    seen = f"{own} a round; the plan {may}"
    if wish is not None and own != wish:
        return warn(
            f"{seen}, and compute.epochs is {wish}",
            "set a number that the plan allows, or take compute.epochs out",
        )
    return ok(seen)


def check_line(plan: Plan, policy: Policy) -> Finding:
    """Say what a round costs on the line, against the plan's deadline and the policy."""
    _, each_round, once = sizes(plan)
    times = {rate: 2 * each_round * 8 / (rate * 1e6) for rate in RATES}
    shown = ", ".join(f"at {rate} Mbit/s {in_words(seconds)}" for rate, seconds in times.items())
    wish = plan.federation.deadline_s
    deadline_s = math.inf if wish == "auto" else wish
    waits = "follows the sites' times" if wish == "auto" else f"is {wish:,.0f} s"
    first = f" (and {in_bytes(once)} once)" if once else ""
    seen = (
        f"{in_bytes(each_round)} each way a round{first}; to and fro {shown}, and the training; "
        f"a round's deadline {waits}"
    )
    if each_round / 1e6 > policy.max_message_mb:
        return fail(
            f"{seen}; policy.max_message_mb is {policy.max_message_mb:g}, so no reply would leave",
            "raise it in site.yaml if the hospital agrees",
        )
    if times[max(RATES)] > deadline_s:
        return fail(
            seen, "set a later federation.deadline_s, or a smaller model", "the coordinator"
        )
    if times[USUAL] > deadline_s / 2:
        return warn(seen, "ask which upload rate this machine has", "your IT department")
    return ok(seen)


def _samples(folder: Path, data: DataFiles, plan: Plan, files: Files) -> int:
    """Estimate the samples: an image for each file, a series for each folder."""
    if plan.images.sample == "image":
        return files.n
    if plan.images.sample == "candidate":
        rows = read_csv(folder / data.labels, data, (data.label_column,))
        return sum(map(len, rows.values()))
    return files.n_folders


def _shown(value: object) -> str:
    if value is None:
        return "off"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):  # a plugin, or a budget
        return " ".join(f"{key} {one}" for key, one in value.items())
    return (", ".join(map(_shown, value)) or "none") if isinstance(value, list) else str(value)
