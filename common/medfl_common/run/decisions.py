"""Events by which a person at the coordinator changes a study: its roster, its plan, its course."""

from collections.abc import Sequence
from typing import Literal, Self

from medfl_common.plan.differences import Change
from medfl_common.run.base_event import AtRound, Event
from medfl_common.visible import visible

RosterChange = Literal[
    "enrolled", "keys replaced", "revoked", "asked to join", "refused", "fingerprint compared"
]


class RosterChanged(Event):
    """Somebody enrolled a site, gave it new keys or revoked them, or asked for a place."""

    kind = "roster_changed"
    is_beside = True

    @classmethod
    def of(cls, change: RosterChange, site: str, fingerprint: str, by: str, why: str = "") -> Self:
        """Note what was done with which keys, who did it, and why somebody was kept out."""
        reason = {"why": why} if why else {}
        return cls({"change": change, "site": site, "fingerprint": fingerprint, "by": by, **reason})


class PlanChanged(AtRound):
    """The plan is another from the round after this one on; an end before it is none any more."""

    kind = "plan_changed"

    @classmethod
    def of_plans(
        cls, round_: int, before: str, now: str, changes: Sequence[Change], by: str
    ) -> Self:
        """Note the plans' hashes, what changed, and the user of this machine who did it."""
        changed = [[*change] for change in changes]
        return cls({"round": round_, "before": before, "now": now, "changes": changed, "by": by})

    @property
    def changes(self) -> list[Change]:
        """What changed."""
        return [(str(key), str(old), str(new)) for key, old, new in self.facts["changes"]]


class TakenBack(AtRound):
    """The rounds after this one were taken back, and are made again without a site."""

    kind = "taken_back"

    @classmethod
    def without(cls, round_: int, site: str, n_rounds: int, run: str, by: str) -> Self:
        """Note the site, how many rounds are lost, the run before, and who did it."""
        facts = {"round": round_, "site": site, "n_rounds": n_rounds, "run": run, "by": by}
        return cls({**facts})

    @property
    def site(self) -> str:
        """Whose updates are out of the model."""
        return str(self.facts["site"])


class Stopped(AtRound):
    """A person has ended the study: no round follows this one, and the best so far counts."""

    kind = "stopped"

    @classmethod
    def by_person(cls, round_: int, by: str, reason: str) -> Self:
        """Note who ended it, and why."""
        return cls({"round": round_, "by": by, "reason": reason})

    @property
    def reason(self) -> str:
        """Why, in the person's words."""
        return str(self.facts["reason"])

    def in_words(self, n_rounds: int) -> str:
        """Say it to a person; the plan has `n_rounds`."""
        who, why = visible(str(self.facts["by"])), visible(self.reason)
        return f"stopped by {who} after round {self.round} of {n_rounds}: {why}"
