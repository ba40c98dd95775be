"""What is checked before it can go wrong, one row per check, and how people and scripts read it.

A check is a small function that looks at one thing and gives one Finding. Nothing that goes wrong
inside it, and no time that it takes, stops the others. `doctor` of both sides and the readiness of
a site's data are made of findings.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from medfl_common.errors import MedflError, Who, system_reason
from medfl_common.ui.screen import Screen

State = Literal["ok", "warn", "fail", "not checked"]

TIMEOUT_S = 30.0  # for one check
HEADER = ("check", "result", "what was seen", "who does what")
AGAIN = "put this right, then run doctor again"
UNFORESEEN = "the check came to an end that medfl did not foresee"

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    check: str  # its name; put in by `examine`
    state: State
    seen: str
    todo: str = ""
    who: Who = ""
    code: int = 0  # of the error that was found, if one was: MEDFL-E so many
    cause: str = ""  # the kind of an unforeseen error, for who mends medfl


Check = Callable[[], Finding]


def ok(seen: str) -> Finding:
    """Find that something is as it should be."""
    return Finding("", "ok", seen)


def warn(seen: str, todo: str, who: Who = "you") -> Finding:
    """Find what may go wrong later."""
    return Finding("", "warn", seen, todo, who)


def fail(seen: str, todo: str, who: Who = "you") -> Finding:
    """Find what will go wrong."""
    return Finding("", "fail", seen, todo, who)


def not_checked(seen: str, todo: str = "", who: Who = "") -> Finding:
    """Find that something cannot be known now."""
    return Finding("", "not checked", seen, todo, who)


def fail_for(error: Exception, todo: str = AGAIN, who: Who = "you") -> Finding:
    """Turn an error into a finding; `todo` and `who` stand where the error says neither."""
    if isinstance(error, MedflError):
        found = fail(error.what, error.todo or todo, error.who or who)
        return replace(found, code=error.code)
    if isinstance(error, OSError):
        seen = f"the system refused it: {system_reason(error)}"
        return replace(fail(seen, todo, who), cause=type(error).__name__)
    found = fail(UNFORESEEN, "report it with what doctor --json prints")
    return replace(found, code=MedflError.code, cause=type(error).__name__)


def examine(checks: Mapping[str, Check], timeout_s: float = TIMEOUT_S) -> list[Finding]:
    """Make the checks in their order; an error or a check that hangs becomes a finding."""
    return [replace(_make(check, timeout_s), check=name) for name, check in checks.items()]


def within(timeout_s: float, work: Callable[[], T]) -> T:
    """Do work in a thread that is left alone after so many seconds; TimeoutError then."""
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {timeout_s:.0f} s")
    return results[0]


def _make(check: Check, timeout_s: float) -> Finding:
    try:
        return within(timeout_s, check)
    except TimeoutError as error:
        return fail(
            f"{error}", "is a network drive or the network slow or gone?", "your IT department"
        )
    except Exception as error:
        return fail_for(error)


def has_failed(findings: Sequence[Finding]) -> bool:
    """Say whether anything must be put right first."""
    return worst(findings) == "fail"


def worst(findings: Sequence[Finding]) -> State:
    """Give the worst of some findings; what was not checked counts as ok."""
    states = {finding.state for finding in findings}
    return "fail" if "fail" in states else "warn" if "warn" in states else "ok"


def show(findings: Sequence[Finding], screen: Screen) -> None:
    """Print the table, and one sentence that sums it up."""
    rows = [[f.check, f.state.upper(), f.seen, _todo(f)] for f in findings]
    screen.table(HEADER, rows)
    screen.say(summary(findings))


def summary(findings: Sequence[Finding]) -> str:
    """Say in one sentence where things stand and who acts next."""
    n = Counter(finding.state for finding in findings)
    n_made = len(findings) - n["not checked"]
    if n["fail"]:
        whose = dict.fromkeys(f.who for f in findings if f.state == "fail" and f.who)
        return (
            f"NOT READY: {n['fail']} of {n_made} checks failed; to act: {', '.join(whose)}. "
            "Nothing was changed, no data were sent"
        )
    looked = f"{n_made} checks, none failed"
    more = f", {n['warn']} to look at" if n["warn"] else ""
    return f"READY: {looked}{more}. Nothing was changed, no data were sent"


def _todo(finding: Finding) -> str:
    return f"{finding.who}: {finding.todo}" if finding.who else finding.todo
