"""`medfl-client approve`: show a plan in plain words, ask, and record the approval."""

from collections.abc import Callable
from pathlib import Path

from medfl_client.commands.plan_summary import differences, summarise
from medfl_client.config.folder import SiteFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.connection.study_key import in_words
from medfl_client.egress.approvals import (
    approve,
    approved_plan,
    last_approved,
    proposed,
    status_of,
)
from medfl_client.egress.guard import permit
from medfl_client.egress.questions import use_of
from medfl_common.errors import ConfigError, DisclosureError
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.ui.screen import Screen

Ask = Callable[[str], bool]


def approve_plan(folder: Path, plan_file: Path | None, ask: Ask, screen: Screen) -> bool:
    """Show a plan in words, and record the approval if the person says yes."""
    site, state = load_site_file(folder), SiteFolder(folder).state
    plan = load_plan(plan_file or _waiting_plan(SiteFolder(folder)))
    screen.table(["question", "answer"], summarise(plan), title=f"what {plan.study} does here")
    if site.server is not None:
        screen.say(f"study key: {in_words(folder / site.server.ca, state)}")
    try:
        permit(plan, site.policy)
        screen.say("your policy allows this plan")
    except DisclosureError as error:
        screen.say(f"your policy refuses this plan, approved or not: {error}")
    _show_differences(plan, state, screen)
    used = use_of(state, plan)
    if status_of(state, plan.hash()) == "approved" and used is None:
        screen.say(f"this plan is approved already, hash {plan.hash()}; nothing to do")
        return True
    if used is not None:
        screen.say(
            f"this plan was approved before, and used: {used.in_words}. A further approval allows "
            f"another run of {plan.federation.rounds} rounds, or this run's questions once more"
        )
    again = " again" if used is not None else ""
    if not ask(f"Approve the plan of study {plan.study}, hash {plan.hash()[:12]}{again}?"):
        screen.say("not approved; nothing was changed")
        return False
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    approve(state, plan)
    screen.say(f"approved: {plan.study}, hash {plan.hash()}. medfl-client withdraw takes it back")
    return True


def _waiting_plan(site: SiteFolder) -> Path:
    """Give the newest plan that came with a task, else the one that came with the invitation."""
    found = proposed(site.state)
    if not found and not site.plan_file.exists():
        raise ConfigError(
            "no plan waits for approval: none has come with a task yet", todo="name the plan file"
        )
    return found[-1] if found else site.plan_file


def _show_differences(plan: Plan, state: Path, screen: Screen) -> None:
    before = last_approved(state, plan.study)
    if before is None:
        screen.say("this site has approved no plan before; this is the first")
        return
    rows = differences(approved_plan(before), plan)
    if not rows:
        screen.say(f"it is the same plan that {before.by} approved on {before.day}")
        return
    title = f"against the plan of {before.study} that {before.by} approved on {before.day}"
    screen.table(["setting", "before", "now"], rows, title=title)
