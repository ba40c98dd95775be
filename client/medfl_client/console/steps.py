"""Where a study stands at the hospital, step by step, and who does what next."""

import time
from dataclasses import dataclass
from typing import Literal

from medfl_client.config.identity import public_lines
from medfl_client.console.admission import Answer
from medfl_client.console.hospital import Study, mark
from medfl_client.console.waiting import Seen
from medfl_common.errors import MedflError
from medfl_common.wire.keys import fingerprint

Look = Literal["good", "warn", "bad", "wait"]
MANAGER, OFFICER = "the data manager", "the security officer"


@dataclass(frozen=True)
class Step:
    """One step from the invitation to a study that runs."""

    name: str
    look: Look
    seen: str
    todo: str = ""
    who: str = ""
    page: str = ""  # of the study, where it is done


def steps_of(study: Study, process: str, told: Answer | None, seen: Seen | None) -> list[Step]:
    """List the steps of a study.

    Args:
        study: The study.
        process: The client's; empty: none runs.
        told: What the coordinator says of the site's keys.
        seen: Its plan, as far as it is read.
    """
    return [
        _place(study),
        _admitted(study, told),
        _data(study),
        _plan(study, seen),
        _client(study, process),
        _left(study),
    ]


def answer_of(study: Study, steps: list[Step]) -> tuple[Look, str]:
    """Say in a sentence where the study stands, and how that looks."""
    if study.is_finished:
        return "good", f"{study.name} has ended, and its model is here."
    open_ = [step for step in steps if step.look != "good"]
    first = next((step for step in open_ if step.todo), open_[0] if open_ else None)
    if first is None:
        return "good", f"{study.name}: this hospital takes part. {steps[-1].seen.capitalize()}."
    whose = f" Next, {first.who}: {first.todo}." if first.todo else ""
    return first.look, f"{first.name}: {first.seen}.{whose}"


def _place(study: Study) -> Step:
    name, site = "Place in the study", study.site
    if site is None:
        todo = "put site.yaml right; medfl-client doctor says what is wrong in it"
        return Step(name, "bad", "site.yaml cannot be read", todo, MANAGER)
    if site.server is None:
        todo = "join by an invitation"
        return Step(name, "warn", "site.yaml names no coordinator", todo, MANAGER, "join")
    return Step(name, "good", f"{site.site}, at the coordinator {site.server.address}")


def _admitted(study: Study, told: Answer | None) -> Step:
    name = "Admitted by the coordinator"
    if study.is_finished:
        return Step(name, "good", "the study has ended")
    if told is None:
        return Step(name, "wait", "the coordinator is being asked")
    found = told.finding
    if told.is_admitted:
        return Step(name, "good", found.seen)
    if told.is_waiting:
        todo = f"read the fingerprint of our keys to the coordinator by telephone: {_own(study)}"
        return Step(name, "wait", "not yet; the coordinator does not know our keys", todo, MANAGER)
    who = found.who if found.who != "you" else MANAGER
    return Step(name, "wait", found.seen, found.todo, who or "the coordinator")


def _own(study: Study) -> str:
    try:
        return fingerprint(public_lines(study.folder))
    except (MedflError, OSError):
        return "medfl-client doctor says why they cannot be read"


def _data(study: Study) -> Step:
    name, facts = "Data", study.readiness
    if facts is None:
        return Step(name, "warn", "nobody has looked at them yet", "look", MANAGER, "data")
    plan, changed = study.plan, mark(study.files.site_file)
    if plan is not None and facts["plan"] != plan.hash():
        return Step(name, "warn", "the last look was for another plan", "look again", MANAGER,
                    "data")  # fmt: skip
    if changed is not None and changed[1] > facts["written"] * 1e9:
        todo = "look again"
        return Step(name, "warn", "site.yaml was changed since the last look", todo, MANAGER,
                    "data")  # fmt: skip
    look: Look = {"pass": "good", "warn": "good", "block": "bad"}.get(facts["verdict"], "bad")  # type: ignore[assignment]
    todo = "see what stops it, and put it right" if look == "bad" else ""
    return Step(name, look, str(facts["answer"]).rstrip("."), todo, MANAGER if todo else "", "data")


def _plan(study: Study, seen: Seen | None) -> Step:
    name, plan, site = "Plan", study.plan, study.site
    if plan is None:
        return Step(name, "wait", "none has come yet")
    persons = "both" if site is not None and site.policy.two_persons else OFFICER
    if study.status(plan) != "approved":
        seen_ = "was withdrawn from" if study.status(plan) == "withdrawn" else "waits"
        return Step(name, "warn", f"the plan of {plan.study} {seen_}", "read and approve it",
                    persons, "plan")  # fmt: skip
    if seen is not None and seen.facts is not None and seen.facts["group"]:
        return Step(name, "warn", "the hospitals of its sums wait", "ring one up, and approve them",
                    persons, "plan")  # fmt: skip
    if study.why_refused and not study.is_finished:
        return Step(name, "warn", f"the last task was refused ({study.why_refused})",
                    "see the plan, and what waits in it", persons, "plan")  # fmt: skip
    return Step(name, "good", f"the plan of {plan.study} is approved", page="plan")


def _client(study: Study, process: str) -> Step:
    name = "Client"
    if process:
        return Step(name, "good", f"runs, process {process}", page="client")
    if study.is_finished:
        return Step(name, "good", "has ended with the study", page="client")
    return Step(name, "warn", "does not run", "start it", MANAGER, "client")


def _left(study: Study) -> Step:
    newest = study.newest
    if newest is None:
        return Step("Answers", "wait", "nothing has left this hospital", page="left")
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(newest.time))
    seen = f"{newest.line} messages left, the last in round {newest.round} on {when}"
    return Step("Answers", "good", seen, page="left")
