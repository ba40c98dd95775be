"""`medfl-client approve`: show a plan in plain words, ask, and record the approval."""

from collections.abc import Callable
from pathlib import Path

from medfl_client.commands.approve_budget import show_cost
from medfl_client.commands.approve_group import group_to_approve
from medfl_client.commands.plan_summary import differences, summarise
from medfl_client.config.folder import SiteFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.connection.study_key import in_words
from medfl_client.egress.approvals import (
    Record,
    approve,
    approved_plan,
    last_approved,
    proposed,
    status_of,
)
from medfl_client.egress.budget import reserve
from medfl_client.egress.guard import permit
from medfl_client.egress.questions import Use, rounds_of, use_of
from medfl_client.egress.sums.groups import approve_group
from medfl_common.errors import ConfigError, DisclosureError
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.ui.screen import Screen
from medfl_common.wire.secure_sum import Group

Ask = Callable[[str], bool]


def approve_plan(folder: Path, plan_file: Path | None, ask: Ask, screen: Screen) -> bool:
    """Show a plan in words, and record the approval if the person says yes."""
    site, state = load_site_file(folder), SiteFolder(folder).state
    plan_file = plan_file or _waiting_plan(SiteFolder(folder))
    plan = load_plan(plan_file)
    before = last_approved(state, plan.study, plan.evaluation.split_of or "")
    if before is None or not _goes_on(plan, before, plan_file, screen):
        title = f"what {plan.study} does here"
        screen.table(["question", "answer"], summarise(plan), title=title)
    if site.server is not None:
        screen.say(f"study key: {in_words(folder / site.server.ca, state)}")
    try:
        permit(plan, site.policy)
        screen.say("your policy allows this plan")
    except DisclosureError as error:
        screen.say(f"your policy refuses this plan, approved or not: {error}")
    _show_differences(plan, before, screen)
    if before is not None and (asked := rounds_of(state, before.plan)):
        screen.say(
            f"under that plan rounds up to {asked.round} were asked here, by run {asked.run[:8]}"
        )
    group = group_to_approve(state, plan, site.site, screen)
    used = use_of(state, plan)
    if status_of(state, plan.hash()) == "approved" and group is not None:
        return _approve_hospitals(state, plan, group, ask, screen)
    if status_of(state, plan.hash()) == "approved" and used is None:
        screen.say(f"this plan is approved already, hash {plan.hash()}; nothing to do")
        return True
    if used is not None:
        _say_used(plan, used, screen)
    show_cost(state, plan, site.policy, ask, screen)
    again = " again" if used is not None else ""
    if not ask(f"Approve the plan of study {plan.study}, hash {plan.hash()[:12]}{again}?"):
        screen.say("not approved; nothing was changed")
        return False
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    reserve(state, plan, site.policy)
    approve(state, plan)
    if group is not None:
        approve_group(state, plan, group)
    screen.say(f"approved: {plan.study}, hash {plan.hash()}. medfl-client withdraw takes it back")
    return True


def _say_used(plan: Plan, used: Use, screen: Screen) -> None:
    """Say what a further approval of a plan allows, and tells."""
    screen.say(
        f"this plan was approved before, and used: {used.in_words}. A further approval allows "
        f"another run of {plan.federation.rounds} rounds, or this run's questions once more: "
        "so a study goes on without a hospital whose updates were taken out of the model"
    )
    if plan.privacy.secure_sum is not None and plan.privacy.noise is None:
        screen.say(
            "two runs of one plan with secure sums begin with the same updates: if one of them "
            "lacks a hospital, the difference of their sums is that hospital's update"
        )


def _approve_hospitals(state: Path, plan: Plan, group: Group, ask: Ask, screen: Screen) -> bool:
    """Approve the hospitals of a plan that is approved: its questions do not begin anew."""
    n = len(group.names)
    if not ask(f"Approve these {n} hospitals for {plan.study}, group {group.hash[:12]}?"):
        screen.say("not approved; nothing was changed")
        return False
    approve_group(state, plan, group)
    screen.say(f"approved: the {n} hospitals of {plan.study}, group {group.hash}")
    return True


def _waiting_plan(site: SiteFolder) -> Path:
    """Give the newest plan that came with a task, else the one that came with the invitation."""
    found = proposed(site.state)
    if not found and not site.plan_file.exists():
        raise ConfigError(
            "no plan waits for approval: none has come with a task yet", todo="name the plan file"
        )
    return found[-1] if found else site.plan_file


def _goes_on(plan: Plan, before: Record, plan_file: Path, screen: Screen) -> bool:
    """Show what is new in a plan of a study that is known here; False: it is another study."""
    known = approved_plan(before)
    if before.study not in (plan.study, plan.evaluation.split_of) or known.hash() == plan.hash():
        return False
    screen.say(f"{plan.study} goes on with a study that is approved here; what is new is below")
    old = dict(summarise(known))
    rows = [[key, old.get(key, ""), now] for key, now in summarise(plan) if old.get(key) != now]
    screen.table(["question", "before", "now"], rows, title=f"what changes in {plan.study}")
    screen.say(f"all else stays as it was; the whole plan is in {plan_file}")
    return True


def _show_differences(plan: Plan, before: Record | None, screen: Screen) -> None:
    if before is None:
        screen.say("this site has approved no plan before; this is the first")
        return
    rows = differences(approved_plan(before), plan)
    if not rows:
        screen.say(f"it is the same plan that {before.by} approved on {before.day}")
        return
    title = f"against the plan of {before.study} that {before.by} approved on {before.day}"
    screen.table(["setting", "before", "now"], rows, title=title)
