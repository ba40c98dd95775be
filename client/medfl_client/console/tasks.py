"""What a worker does for the console, by name: each calls what the command of that name calls.

Imports are inside: a worker loads what its own task needs.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medfl_common.errors import BudgetError, ConfigError
from medfl_common.ui.asking import Asking
from medfl_common.ui.told import Follows, Told


@dataclass(frozen=True)
class Request:
    """What is asked of a worker.

    Args:
        facts: What to do, in which folder, for whom, and more.
        screen: Takes what is said.
        asking: Asks the person at the console.
    """

    facts: Mapping[str, Any]
    screen: Follows
    asking: Asking

    @property
    def folder(self) -> Path:
        """Give the site's directory."""
        return Path(self.facts["folder"])

    @property
    def by(self) -> str:
        """Name who asks."""
        return str(self.facts["by"])


def join(request: Request) -> dict[str, Any]:
    """Take part by the text of an invitation."""
    from medfl_client.commands.join import take_part
    from medfl_client.first_look.subject import Given
    from medfl_common.ops.invitation import invitation_of

    invitation = invitation_of(str(request.facts["invitation"]))
    joined = take_part(request.folder, invitation, Given(), request.asking)
    if joined is None:
        return {"said": "Not joined yet: something stands in the way. It is listed below.",
                "is_bad": True}  # fmt: skip
    said = f"{joined.site} is enrolled." if joined.is_enrolled else (
        "Asked. The coordinator admits you after a telephone call."
    )  # fmt: skip
    return {"said": said, "study": joined.study}


def data(request: Request) -> dict[str, Any]:
    """Ask what the images and labels mean, and write site.yaml."""
    from medfl_client.commands.describe_data import describe_data
    from medfl_client.first_look.subject import Given

    is_written = describe_data(request.folder, "", _plan(request), Given(), request.asking)
    said = "site.yaml says now what you answered." if is_written else "Nothing was changed."
    return {"said": said, "is_written": is_written}


def look(request: Request) -> dict[str, Any]:
    """Say whether the data are ready."""
    from medfl_client.commands.index import survey

    every = bool(request.facts.get("every"))
    verdict = survey(request.folder, _plan(request), every, False, None, request.screen)
    return {"said": f"Looked; the verdict is: {verdict}."}


def doctor(request: Request) -> dict[str, Any]:
    """Check all that could stop the site later."""
    from medfl_client.doctor.site import examine_site
    from medfl_common.ops.checks import HEADER, has_failed

    found = examine_site(request.folder, _plan(request))
    rows = [[f.check, f.state, f.seen, f"{f.who}: {f.todo}" if f.todo else ""] for f in found]
    request.screen.table([*HEADER], rows)
    said = "Something stands in the way." if has_failed(found) else "Nothing stands in the way."
    return {"said": said, "is_bad": has_failed(found)}


def plan(request: Request) -> dict[str, Any]:
    """Say what the waiting plan does here, and what it costs."""
    from medfl_client.commands.approve import look_at
    from medfl_client.commands.approve_budget import raise_in_words, show_cost
    from medfl_client.egress.budget import is_raise
    from medfl_client.egress.privacy_ledger import read

    waiting, cost, stops = look_at(request.folder, None), Told(), ""
    policy = waiting.site.policy
    asks = ""
    if not waiting.is_done and not waiting.is_of_group and waiting.plan.privacy.noise is not None:
        account = read(waiting.state)
        asks = raise_in_words(account, policy) if is_raise(account, policy.budget) else ""
        try:
            show_cost(waiting.state, waiting.plan, policy, lambda question: False, cost)
        except BudgetError as error:
            stops = str(error)
    return {
        "study": waiting.plan.study, "plan_hash": waiting.plan.hash(),
        "group": waiting.group.hash if waiting.group is not None else "",
        "is_done": waiting.is_done, "is_allowed": waiting.is_allowed,
        "question": waiting.question, "two_persons": policy.two_persons,
        "told": waiting.told.facts, "cost": cost.facts, "asks": asks, "stops": stops,
        "asks_digest": digest_of(asks),
    }  # fmt: skip


def approve(request: Request) -> dict[str, Any]:
    """Approve the plan that was shown; raises ConfigError where another waits by now."""
    from medfl_client.commands.approve import look_at, record

    waiting = look_at(request.folder, None)
    group = waiting.group.hash if waiting.group is not None else ""
    if (waiting.plan.hash(), group) != (request.facts["plan_hash"], request.facts["group"]):
        raise ConfigError(
            "another plan, or another group of hospitals, came while you read",
            todo="read it, and approve that one", data="nothing was changed",
        )  # fmt: skip
    if waiting.is_done:
        raise ConfigError("this plan is approved already", data="nothing was changed")
    return {"said": record(waiting, request.by)}


def budget(request: Request) -> dict[str, Any]:
    """Confirm the budget of site.yaml, as it was shown; raises ConfigError where it is another."""
    from medfl_client.commands.budget import set_from_site_file

    def is_as_shown(question: str) -> bool:
        if digest_of(question) != request.facts["shown"]:
            raise ConfigError(
                "site.yaml says another budget than the page did, or another is in force by now",
                todo="read the page again, and raise that one", data="nothing was changed",
            )  # fmt: skip
        return True

    told = Told()
    is_set = set_from_site_file(request.folder, is_as_shown, told, request.by)
    told.tell(request.screen)
    said = "The budget of site.yaml is in force." if is_set else "Nothing was changed."
    return {"said": said}


def digest_of(words: str) -> str:
    """Give what a form sends back of the words that were shown."""
    return hashlib.sha256(words.encode()).hexdigest()


def withdraw(request: Request) -> dict[str, Any]:
    """Leave the study, and end a running client of it."""
    from medfl_client.commands.withdraw import withdraw as leave

    told = Told()
    leave(request.folder, None, True, told, request.by)
    said = ". ".join(one.line[:1].upper() + one.line[1:] for one in told.words if one.line)
    return {"said": f"{said}."}


def verify(request: Request) -> dict[str, Any]:
    """Hold the records, and what the coordinator signed of them, against themselves."""
    from medfl_client.audit.verify import verify as check

    check(request.folder, request.screen)
    return {"said": "The records are whole."}


def audit(request: Request) -> dict[str, Any]:
    """Write the audit page."""
    from medfl_client.audit.page import write_audit
    from medfl_client.config.folder import SiteFolder

    write_audit(request.folder, SiteFolder(request.folder).audit)
    return {"said": "The audit page is written."}


def _plan(request: Request) -> Path | None:
    """Give the study's plan as a file: the one that waits, or came with the invitation."""
    from medfl_client.config.folder import SiteFolder
    from medfl_client.egress.approvals import proposed

    files = SiteFolder(request.folder)
    found = [*proposed(files.state)[-1:], files.plan_file]
    return next((path for path in found if path.exists()), None)


Task = Callable[[Request], dict[str, Any]]
TASKS: Mapping[str, Task] = {
    task.__name__: task
    for task in (join, data, look, doctor, plan, approve, budget, withdraw, verify, audit)
}
