"""The group of hospitals that a plan's sums are of: kept for a person to see, approved, compared.

A coordinator that invents hospitals sees more than a sum, and no program can tell: a person rings
one of them and compares the fingerprint. So a group is approved as a plan is, in the same file; a
changed group is another approval.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medfl_client.config.folder import StateFolder
from medfl_client.config.rules import RULES, rule
from medfl_client.config.site_file import Policy
from medfl_client.egress import approvals, ledger, statements
from medfl_client.egress.approvals import GROUP, login
from medfl_client.egress.sums.orders import refused
from medfl_common.errors import DisclosureError, RunError, SumError
from medfl_common.files import write_atomic
from medfl_common.plan.plan import Plan
from medfl_common.plan.privacy import SecureSum
from medfl_common.privacy.thresholds import fewest_summed, threshold
from medfl_common.wire.secure_sum import Group


@dataclass(frozen=True)
class ApprovedGroup:
    """A group that somebody approved for a plan."""

    hash: str
    names: tuple[str, ...]
    time: float
    by: str  # login name

    @property
    def day(self) -> str:
        """Say when, in local time."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.time))


def propose_group(state: Path, plan: Plan, group: Group) -> None:
    """Keep a group that came with a task beside its plan, for a person to see and approve."""
    path = _path(state, plan)
    text = json.dumps({"names": [*group.names], "keys": [*group.keys]}, indent=1)
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(path, text.encode())


def proposed_group(state: Path, plan: Plan) -> Group | None:
    """Give the group that came last for a plan; None: no task has come yet."""
    path = _path(state, plan)
    if not path.exists():
        return None
    try:
        told: Mapping[str, Any] = json.loads(path.read_text())
        group = Group(tuple(map(str, told["names"])), tuple(map(str, told["keys"])))
        return group if len(group.public) == len(group.names) else None
    except (ValueError, KeyError, TypeError, SumError):
        raise RunError(f"{path} is damaged", todo="delete it; the next task brings it") from None


def approve_group(state: Path, plan: Plan, group: Group, by: str = "") -> None:
    """Record that the hospital approves a group for a plan."""
    facts: ledger.Line = {
        "action": GROUP, "plan": plan.hash(), "study": plan.study, "canonical": "",
        "by": by or login(), "group": group.hash, "names": [*group.names],
    }  # fmt: skip
    ledger.append(StateFolder(state).approvals, facts)


def approved_groups(state: Path, plan: str) -> list[ApprovedGroup]:
    """List the groups that were approved for a plan's hash, the last one last; it alone counts."""
    approvals.read_records(state)  # raises where the file was tampered with
    lines: list[Mapping[str, Any]] = [*ledger.read_lines(StateFolder(state).approvals)]
    found = [line for line in lines if (line["action"], line["plan"]) == (GROUP, plan)]
    return [ApprovedGroup(g["group"], tuple(g["names"]), g["time"], g["by"]) for g in found]


def require_group(state: Path, plan: Plan, policy: Policy, group: str, told: Group | None) -> None:
    """Refuse a group that nobody has approved, where the policy wants an approval.

    Args:
        state: The site's state.
        plan: The plan.
        policy: The site's.
        group: Hash of the group that a task names.
        told: The group, where the task tells it; it is kept for a person to see.
    """
    known = approved_groups(state, plan.hash())
    if policy.approval == "none" or (known and known[-1].hash == group):
        return
    if told is not None:
        propose_group(state, plan, told)
    path = approvals.propose(state, plan)
    what = "are others than were approved" if known else "are not approved here"
    raise approvals.not_approved(
        f"the hospitals of study {plan.study} (group {group[:12]}) {what}",
        f"to see and approve them: medfl-client approve {state.parent} {path}",
    )


def check_size(n: int, sums: SecureSum, policy: Policy) -> None:
    """Refuse a group in which too few hospitals might be summed, also by cheating with lists.

    Args:
        n: Hospitals of the group.
        sums: The plan's settings.
        policy: The site's.
    """
    try:
        needed = threshold(n, sums.may_lose)
    except ValueError as error:
        raise refused(f"privacy.secure_sum.may_lose: {error}") from None
    if n < 2 or needed < sums.at_least:
        raise refused(
            f"of {n} hospitals {needed} could be summed, and the plan's "
            f"privacy.secure_sum.at_least is {sums.at_least}"
        )
    floor = fewest_summed(n, needed)
    if floor < policy.at_least:
        too_few = DisclosureError(
            f"of {n} hospitals {floor} could be summed, {policy.at_least} are the fewest "
            f"{rule('at_least')}",
            data="nothing was masked",
        )
        too_few.rule = RULES["at_least"][0]
        raise too_few


def require_no_rollback(state: Path) -> None:
    """Refuse where an older copy of the state was put back: it could mask two vectors alike."""
    _, missing = statements.read(state)
    if missing:
        raise RunError(
            f"{statements.lacks(missing[0])}. This site takes no part in secure sums with it",
            data="nothing was masked",
            todo="put the newest copy of the state back; without one, this site stays away from "
            "the rest of the run",
        )


def _path(state: Path, plan: Plan) -> Path:
    return StateFolder(state).proposed / f"{plan.hash()[:12]}-group.json"
