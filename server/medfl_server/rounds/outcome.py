"""What came of asking sites once: who answered with what, and why others did not."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from medfl_common.wire.pooled import Pooled
from medfl_common.wire.results import TrainResult


@dataclass(frozen=True)
class Answered:
    """What one site gave in one round, its update apart."""

    result: TrainResult
    bytes_received: int
    bytes_sent: int
    sha256: str  # of the reply, as in the site's own ledger
    waited_s: float | None = None  # from the question to the answer; None: of a virtual hospital


@dataclass
class Replies:
    """Who answered in one round, and why others did not."""

    answered: dict[str, Answered] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # site -> reason
    seconds: float = 0.0
    is_masked: bool = False  # of a secure sum
    # What those who answered say together; None: it was not opened.
    pooled: Pooled | None = None
    void: str = ""  # why a sum that was opened changes nothing

    def put_in_order(self, roster: Sequence[str]) -> None:
        """Put the answers and the reasons in the roster's order."""
        answered, missing = self.answered, self.missing
        self.answered = {site: answered[site] for site in roster if site in answered}
        self.missing = {site: missing[site] for site in roster if site in missing}
