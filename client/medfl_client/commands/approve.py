"""`medfl-client approve`: show a plan in plain words, ask, and record the approval.

The console shows the same words (`look_at`) and records in the same way (`record`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from medfl_client.commands.approve_budget import show_cost
from medfl_client.commands.approve_group import group_to_approve
from medfl_client.commands.plan_summary import Rows, differences, summarise
from medfl_client.config.folder import SiteFolder
from medfl_client.config.rules import rule
from medfl_client.config.site_file import SiteFile, load_site_file
from medfl_client.connection.study_key import in_words
from medfl_client.egress.approvals import (
    Record,
    approve,
    approved_plan,
    last_approved,
    status_of,
    waiting_plan,
)
from medfl_client.egress.budget import reserve
from medfl_client.egress.guard import permit
from medfl_client.egress.plugin_rules import allow_plugins
from medfl_client.egress.questions import Use, rounds_of, use_of
from medfl_client.egress.sums.groups import approve_group
from medfl_common.errors import ConfigError, DisclosureError
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.ui.screen import Screen
from medfl_common.ui.told import Shows, Told
from medfl_common.wire.secure_sum import Group

Ask = Callable[[str], bool]


@dataclass(frozen=True)
class Waiting:
    """A plan that is to be approved, and all that a person is told of it first."""

    folder: Path
    plan: Plan
    site: SiteFile
    used: Use | None  # what its newest approval was used for
    group: Group | None  # hospitals of its sums that nobody has approved yet
    is_approved: bool
    is_allowed: bool  # by the policy
    told: Told = field(default_factory=Told)

    @property
    def state(self) -> Path:
        """Give the site's state."""
        return SiteFolder(self.folder).state

    @property
    def is_of_group(self) -> bool:
        """Say whether the plan is approved, and only the hospitals of its sums are not."""
        return self.is_approved and self.group is not None

    @property
    def is_done(self) -> bool:
        """Say whether there is nothing to approve."""
        return self.is_approved and self.group is None and self.used is None

    @property
    def question(self) -> str:
        """Ask for the approval."""
        plan, again = self.plan, " again" if self.used is not None else ""
        if self.is_of_group and self.group is not None:
            n, group = len(self.group.names), self.group.hash[:12]
            return f"Approve these {n} hospitals for {plan.study}, group {group}?"
        return f"Approve the plan of study {plan.study}, hash {plan.hash()[:12]}{again}?"


def look_at(folder: Path, plan_file: Path | None) -> Waiting:
    """Say what a plan does here, what is new in it, and what the policy says; changes nothing."""
    site, state, told = load_site_file(folder), SiteFolder(folder).state, Told()
    plan_file = plan_file or waiting_plan(SiteFolder(folder))
    plan = load_plan(plan_file)
    _show_plugins(plan, told)
    allow_plugins(plan, site.policy)  # else the plan cannot be shown: its network is in there
    before = last_approved(state, plan.study, plan.evaluation.split_of or "")
    if before is None or not _goes_on(plan, before, plan_file, told):
        title = f"what {plan.study} does here"
        told.table(["question", "answer"], summarise(plan), title=title)
    if site.server is not None:
        told.say(f"study key: {in_words(folder / site.server.ca, state)}")
    refusal = _refusal(plan, site)
    told.say(refusal or "your policy allows this plan")
    _show_differences(plan, before, told)
    if before is not None and (asked := rounds_of(state, before.plan)):
        told.say(
            f"under that plan rounds up to {asked.round} were asked here, by run {asked.run[:8]}"
        )
    group = group_to_approve(state, plan, site.site, told)
    used, is_approved = use_of(state, plan), status_of(state, plan.hash()) == "approved"
    if used is not None and not (is_approved and group is not None):
        _say_used(plan, used, told)
    return Waiting(folder, plan, site, used, group, is_approved, not refusal, told)


def approve_plan(folder: Path, plan_file: Path | None, ask: Ask, screen: Screen) -> bool:
    """Show a plan in words, and record the approval if the person says yes."""
    waiting = look_at(folder, plan_file)
    waiting.told.tell(screen)
    if waiting.is_done:
        screen.say(f"this plan is approved already, hash {waiting.plan.hash()}; nothing to do")
        return True
    _refuse_one_person(waiting)
    if not waiting.is_of_group:
        show_cost(waiting.state, waiting.plan, waiting.site.policy, ask, screen)
    if not ask(waiting.question):
        screen.say("not approved; nothing was changed")
        return False
    screen.say(record(waiting))
    return True


def record(waiting: Waiting, by: str = "") -> str:
    """Write the approval down; returns what to tell. Raises BudgetError where it costs too much.

    Args:
        waiting: What was shown.
        by: Who approves; the login name where it is empty.
    """
    state, plan, group = waiting.state, waiting.plan, waiting.group
    if waiting.is_of_group and group is not None:
        approve_group(state, plan, group, by)
        return f"approved: the {len(group.names)} hospitals of {plan.study}, group {group.hash}"
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    reserve(state, plan, waiting.site.policy, by)
    approve(state, plan, by)
    if group is not None:
        approve_group(state, plan, group, by)
    return f"approved: {plan.study}, hash {plan.hash()}. medfl-client withdraw takes it back"


def _refuse_one_person(waiting: Waiting) -> None:
    """Refuse where two persons approve: a login name does not tell two persons apart."""
    if waiting.site.policy.two_persons:
        raise ConfigError(
            f"two persons approve a plan here, each under an own name {rule('two_persons')}",
            todo=f"open medfl-client console {waiting.folder}: the data manager and the security "
            "officer approve there, one after the other",
            data="nothing was changed",
        )


def _show_plugins(plan: Plan, screen: Shows) -> None:
    """Name the code that a plan needs and that the hospital itself installed."""
    for plugin in plan.plugins:
        screen.say(
            f"the plan runs code of the plugin {plugin.distribution} {plugin.version}, RECORD "
            f"{plugin.sha256}. IT has installed it here; the coordinator did not send it"
        )


def _refusal(plan: Plan, site: SiteFile) -> str:
    try:
        permit(plan, site.policy)
    except DisclosureError as error:
        return f"your policy refuses this plan, approved or not: {error}"
    return ""


def _say_used(plan: Plan, used: Use, screen: Shows) -> None:
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


def _goes_on(plan: Plan, before: Record, plan_file: Path, screen: Shows) -> bool:
    """Show what is new in a plan of a study that is known here; False: it is another study."""
    known = approved_plan(before)
    if known.plugins and known.plugins != plan.plugins:
        return False  # code of before cannot be shown beside another
    if before.study not in (plan.study, plan.evaluation.split_of) or known.hash() == plan.hash():
        return False
    screen.say(f"{plan.study} goes on with a study that is approved here; what is new is below")
    rows = _changed(summarise(known), summarise(plan))
    screen.table(["question", "before", "now"], rows, title=f"what changes in {plan.study}")
    screen.say(f"all else stays as it was; the whole plan is in {plan_file}")
    return True


def _changed(before: Rows, now: Rows) -> Rows:
    """List what is said anew; a question may have several answers, of which some stay."""
    gone = [row for row in before if row not in now]
    old = {key: "; ".join(answer for other, answer in gone if other == key) for key, _ in gone}
    return [[key, old.get(key, ""), answer] for key, answer in now if [key, answer] not in before]


def _show_differences(plan: Plan, before: Record | None, screen: Shows) -> None:
    if before is None:
        screen.say("this site has approved no plan before; this is the first")
        return
    rows = differences(approved_plan(before), plan)
    if not rows:
        screen.say(f"it is the same plan that {before.by} approved on {before.day}")
        return
    title = f"against the plan of {before.study} that {before.by} approved on {before.day}"
    screen.table(["setting", "before", "now"], rows, title=title)
