"""Which plans the hospital has approved, and from which it has withdrawn: `state/approvals.jsonl`.

The file is chained as the ledger is. The last record of a plan's hash counts; a plan that was
changed has another hash, so it is another plan.
"""

import os
import pwd
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import yaml

from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.rules import RULES, rule
from medfl_client.config.site_file import Policy
from medfl_client.egress import ledger
from medfl_common.errors import ConfigError, NotApprovedError, RunError, WithdrawnError
from medfl_common.files import write_atomic
from medfl_common.plan.plan import Plan, plan_from_json

N_PROPOSED = 20  # of so many proposed plans, the newest, are kept
GROUP = "group"  # the action of a line about a plan's hospitals: see egress/sums/groups.py
Action = Literal["approve", "withdraw"]
Status = Literal["approved", "withdrawn", "not approved"]
STATUS: dict[str, Status] = {"approve": "approved", "withdraw": "withdrawn"}


@dataclass(frozen=True)
class Record:
    """Somebody approved a plan, or withdrew from it."""

    time: float
    action: str
    plan: str  # hash
    study: str
    canonical: str  # the plan, whole; empty where it was withdrawn and never approved
    by: str  # login name

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        """Read a line; what a later version adds to it is left."""
        return cls(**{name: line[name] for name in cls.__dataclass_fields__})

    @property
    def day(self) -> str:
        """Say when, in local time."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.time))


def read_records(state: Path, with_groups: bool = False) -> list[Record]:
    """Read all records in their order; raises RunError where the file was tampered with.

    Args:
        state: The site's state.
        with_groups: Also those of hospitals that were approved for a plan's secure sums.
    """
    broken = ledger.first_broken_line(StateFolder(state).approvals)
    if broken is not None:
        raise RunError(
            f"{StateFolder(state).approvals}, line {broken.line}: {broken.what}. Nothing counts as "
            "approved",
            todo="put the file and its .head aside as evidence, and approve the plan again",
        )
    lines = ledger.read_lines(StateFolder(state).approvals)
    return [Record.of(line) for line in lines if with_groups or line["action"] != GROUP]


def write_record(
    state: Path, action: Action, plan: str, study: str, canonical: str, by: str = ""
) -> None:
    """Add a record under a person's name, or the login name of who runs this process."""
    facts = {"action": action, "plan": plan, "study": study, "canonical": canonical}
    ledger.append(StateFolder(state).approvals, {**facts, "by": by or login()})


def login() -> str:
    """Give the login name of who runs this process."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number without a name
        return f"user {os.getuid()}"


def approve(state: Path, plan: Plan, by: str = "") -> None:
    """Record that the hospital approves a plan."""
    write_record(state, "approve", plan.hash(), plan.study, plan.canonical(), by)


def status_of(state: Path, plan: str) -> Status:
    """Say what the last record of a plan's hash says."""
    last = {record.plan: record.action for record in read_records(state)}.get(plan, "")
    return STATUS.get(last, "not approved")


def n_approvals(state: Path, plan: str) -> int:
    """Count how often a plan was approved here: each time for one run of it."""
    found = [record for record in read_records(state) if record.plan == plan]
    return sum(record.action == "approve" for record in found)


def approved(state: Path) -> list[Record]:
    """List the plans that are approved now, the last one last."""
    latest: dict[str, Record] = {}
    for record in read_records(state):
        latest.pop(record.plan, None)
        latest[record.plan] = record
    return [record for record in latest.values() if record.action == "approve"]


def last_approved(state: Path, *studies: str) -> Record | None:
    """Give the last approval, of the first of the studies that has one, else of any."""
    found = [record for record in read_records(state) if record.action == "approve"]
    of = ([record for record in found if record.study == study] for study in studies)
    return next((same[-1] for same in of if same), found[-1] if found else None)


def require(state: Path, plan: Plan, policy: Policy) -> None:
    """Refuse a plan that is withdrawn, or not approved where the policy wants it to be.

    Raises WithdrawnError or NotApprovedError.
    """
    status = status_of(state, plan.hash())
    if status == "withdrawn":
        raise WithdrawnError(
            f"the hospital has withdrawn from study {plan.study}",
            todo="medfl-client approve undoes it",
        )
    if status == "approved" or policy.approval == "none":
        return
    path = propose(state, plan)
    before = last_approved(state, plan.study)
    is_changed = before is not None and before.study == plan.study
    what = "was changed since it was approved" if is_changed else "is not approved here"
    whose = f"the plan of study {plan.study} (hash {plan.hash()[:12]}) {what}"
    raise not_approved(whose, f"to see and approve it: medfl-client approve {state.parent} {path}")


def not_approved(what: str, todo: str) -> NotApprovedError:
    """Make the error of what waits for a person here."""
    error = NotApprovedError(f"{what} {rule('approval')}", todo=todo, data="no data was read")
    error.rule = RULES["approval"][0]
    return error


def propose(state: Path, plan: Plan) -> Path:
    """Keep a plan that came with a task as a file, for a person to read and approve."""
    path = StateFolder(state).proposed / f"{plan.hash()[:12]}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        text = f"# The plan of study {plan.study}, as the coordinator sent it.\n{_as_yaml(plan)}"
        write_atomic(path, text.encode())
        for old in proposed(state)[:-N_PROPOSED]:
            old.unlink()
    return path


def proposed(state: Path) -> list[Path]:
    """List the proposed plans, the newest last."""
    found = StateFolder(state).proposed.glob("*.yaml")
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def waiting_plan(site: SiteFolder) -> Path:
    """Give the newest plan that came with a task, else the one that came with the invitation."""
    found = proposed(site.state)
    if not found and not site.plan_file.exists():
        raise ConfigError(
            "no plan waits for approval: none has come with a task yet", todo="name the plan file"
        )
    return found[-1] if found else site.plan_file


def approved_plan(record: Record) -> Plan:
    """Read the plan of a record."""
    return plan_from_json(record.canonical)


class _Quoting(yaml.SafeDumper):
    """Quotes every text but plain words, so that no reader takes one for a number or a date."""


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_plain = len(text) > 1 and all(letter.islower() or letter == "_" for letter in text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Quoting.add_representer(str, _quoted)


def _as_yaml(plan: Plan) -> str:
    values = plan.model_dump(mode="json")
    return yaml.dump(values, Dumper=_Quoting, sort_keys=False, allow_unicode=True)
