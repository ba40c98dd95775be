"""What every event of a run log is: a line with its time, often of a round."""

from dataclasses import dataclass
from typing import ClassVar, Self

from medfl_common.run.site_reply import Facts


@dataclass(frozen=True)
class Event:
    """One line of the log; of a kind that this version does not know, only the time."""

    facts: Facts
    kind: ClassVar[str] = ""
    is_beside: ClassVar[bool] = False  # no part of the study's course: read by its own kind only

    @property
    def time(self) -> float:
        """Seconds since 1970."""
        return float(self.facts.get("time", 0.0))


class AtRound(Event):
    """Something that happened after a round."""

    @classmethod
    def of(cls, round_: int) -> Self:
        """Note the round."""
        return cls({"round": round_})

    @property
    def round(self) -> int:
        """The round."""
        return int(self.facts["round"])
