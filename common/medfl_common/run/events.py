"""The events of a run log, one type each. Only site_reply and data_source know JSON of theirs.

A type is a view of a line of `log.jsonl`: what a later version adds to the line stays in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from medfl_common.files import Json
from medfl_common.run.base_event import AtRound
from medfl_common.run.base_event import Event as Event
from medfl_common.run.best import Best, best_of, best_to_json
from medfl_common.run.choice import Choice, choice_of
from medfl_common.run.compared import Compared
from medfl_common.run.data_source import DataSource
from medfl_common.run.decisions import PlanChanged, RosterChanged, Stopped, TakenBack
from medfl_common.run.pooled_reply import PooledReply
from medfl_common.run.site_reply import Facts, SiteReply

QUARANTINED = "quarantined: "  # so the reason begins why a reply was not admitted


@dataclass(frozen=True)
class Started(Event):
    """The study began."""

    kind = "started"

    @classmethod
    def of(cls, roster: Sequence[str], sha256: str) -> Self:
        """Note the hospitals on the roster, and the digest of the initial weights."""
        return cls({"sites": [*roster], "sha256": sha256})

    @property
    def roster(self) -> list[str]:
        """Names of the hospitals."""
        return [str(site) for site in self.facts.get("sites", [])]


class DataRead(Event):
    """A simulation read its data."""

    kind = "data_read"

    @classmethod
    def of(cls, sources: Mapping[str, Json]) -> Self:
        """Note, for each data folder, what `DataSource` reads."""
        return cls({"sources": {**sources}})

    @property
    def sources(self) -> dict[str, DataSource]:
        """What was read, by data folder."""
        return {name: DataSource(facts) for name, facts in self.facts["sources"].items()}


class Resumed(AtRound):
    """The coordinator resumed the study from the checkpoint of this round."""

    kind = "resumed"


class Paused(AtRound):
    """The study paused, for want of replies or because a person wished it."""

    kind = "paused"

    @classmethod
    def by_person(cls, round_: int, by: str, message: str) -> Self:
        """Note the user of this machine who wished it, and what they tell the hospitals."""
        return cls({"round": round_, "by": by, "message": message})


class LateReply(Event):
    """A reply came after its round was closed, and was dropped."""

    kind = "late_reply"

    @classmethod
    def of(cls, site: str, round_: int, seconds: float) -> Self:
        """Note who answered which round too late, so many seconds after it was asked."""
        return cls({"site": site, "round": round_, "seconds": seconds})

    @property
    def site(self) -> str:
        """Who answered too late."""
        return str(self.facts["site"])

    @property
    def seconds(self) -> float:
        """From the question to the answer; 0 where an earlier version wrote the log."""
        return float(self.facts.get("seconds", 0.0))


class LedgerSetBack(Event):
    """A site's ledger no longer has a line that its signed reply had told of."""

    kind = "ledger_set_back"

    @classmethod
    def of(cls, site: str, line: int, sha256: str) -> Self:
        """Note whose ledger lost which line, with the hash of the line."""
        return cls({"site": site, "line": line, "hash": sha256})


class Asked(AtRound):
    """The sites were asked: who answered what, and who did not, and why."""

    @classmethod
    def of_replies(
        cls,
        round_: int,
        seconds: float | None,
        sites: Mapping[str, SiteReply],
        missing: Mapping[str, str],
        pooled: PooledReply | None = None,
    ) -> Self:
        """Note the replies to one question.

        Args:
            round_: The round.
            seconds: How long the coordinator waited; None: it is not kept.
            sites: The replies.
            missing: Who did not answer, with the reason.
            pooled: What the sites say together, where they added it up before they told it.
        """
        waited = {} if seconds is None else {"seconds": seconds}
        replies = {site: dict(reply.facts) for site, reply in sites.items()}
        facts = {"round": round_, **waited, "sites": replies, "missing": {**missing}}
        return cls(facts if pooled is None else {**facts, "pooled": {**pooled.facts}})

    @property
    def seconds(self) -> float:
        """How long the coordinator waited."""
        return float(self.facts.get("seconds", 0.0))

    @cached_property
    def sites(self) -> dict[str, SiteReply]:
        """The replies, by site."""
        return {site: SiteReply(facts) for site, facts in self.facts.get("sites", {}).items()}

    @cached_property
    def pooled(self) -> PooledReply | None:
        """What the sites say together; None: each has said it alone."""
        told = self.facts.get("pooled")
        return None if told is None else PooledReply(told)

    @property
    def scores(self) -> Facts | None:
        """What the coordinator scored when it wrote the line; None: an earlier version did."""
        return self.facts.get("scores")

    @property
    def missing(self) -> dict[str, str]:
        """Who did not answer, with the reason."""
        return dict(self.facts.get("missing", {}))

    @property
    def quarantined(self) -> dict[str, str]:
        """Whose reply was not admitted, with the reason."""
        missing, n = self.missing.items(), len(QUARANTINED)
        return {site: why[n:] for site, why in missing if why.startswith(QUARANTINED)}


class Statistics(Asked):
    """The sites counted their data, before the first round."""

    kind = "statistics"


class RoundWithoutQuorum(Asked):
    """Too few sites answered; the model did not change."""

    kind = "round_without_quorum"

    @classmethod
    def of_round(cls, quorum: int, asked: Asked) -> Self:
        """Note how many valid replies were needed, and the replies."""
        return cls({"quorum": quorum, **asked.facts})


class WithModel(Asked):
    """Replies that belong to a model."""

    @classmethod
    def of_model(cls, sha256: str, asked: Asked) -> Self:
        """Note the model's digest, and the replies."""
        return cls({"sha256": sha256, **asked.facts})

    @property
    def sha256(self) -> str:
        """Digest of the shared weights."""
        return str(self.facts["sha256"])

    @property
    def best(self) -> Best | None:
        """The best round so far."""
        return best_of(self.facts)


class RoundMade(WithModel):
    """A round changed the model; the scores are those of the model before it."""

    kind = "round"

    @property
    def void(self) -> str:
        """Why a sum that was opened changed nothing, the model included; empty: it did."""
        return str(self.facts.get("void", ""))

    @classmethod
    def of_checkpoint(cls, sha256: str, meta: Facts) -> Self:
        """Note a round from what its checkpoint keeps (`checkpoint_facts`)."""
        return cls({"sha256": sha256, **meta})


class ModelScored(Asked):
    """The last model was scored, where another one is the result."""

    kind = "scored"


class ScoredOnTest(WithModel):
    """The final model was scored on the test parts, which chose nothing."""

    kind = "tested"


class ScoredOutside(WithModel):
    """A model was scored at outside hospitals, which train nothing: external validation."""

    kind = "scored_outside"


class FileScored(WithModel):
    """Weights of a file were scored: no model of the study's course, nor of one of its rounds."""

    kind = "file_scored"
    is_beside = True


class Finished(WithModel):
    """The study ended; the scores are those of the final model."""

    kind = "finished"

    @classmethod
    def of_end(
        cls, sha256: str, asked: Asked, best: Best | None, last: int, choice: Choice | None
    ) -> Self:
        """Note the final model's digest and scores, the last round made, and why it is this one."""
        facts = {"sha256": sha256, **asked.facts, "best": best_to_json(best), "last": last}
        return cls(facts if choice is None else {**facts, "choice": choice.to_json()})

    @property
    def last(self) -> int:
        """The last round made."""
        return int(self.facts.get("last", self.round))

    @property
    def choice(self) -> Choice | None:
        """Why the result is this round's model; None where an earlier version wrote the log."""
        return choice_of(self.facts)


KINDS: dict[str, type[Event]] = {
    one.kind: one
    for one in (
        DataRead, Started, Resumed, Paused, LateReply, LedgerSetBack, RosterChanged, PlanChanged,
        TakenBack, Stopped, Statistics, RoundWithoutQuorum, RoundMade, ModelScored, ScoredOnTest,
        ScoredOutside, FileScored, Finished, Compared,
    )
}  # fmt: skip


def site_names(events: Sequence[Event]) -> list[str]:
    """List the roster, as the first event has it, then the sites that were enrolled later."""
    names: dict[str, None] = {}
    for event in events:
        if isinstance(event, Started):
            names |= dict.fromkeys(event.roster)
        elif isinstance(event, Asked):
            names |= dict.fromkeys([*event.sites, *event.missing])
    return [*names]


def event_of(facts: Facts) -> Event:
    """Give a line of the log its type."""
    return KINDS.get(str(facts["event"]), Event)(facts)
