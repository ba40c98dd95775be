"""What came of asking sites once: who answered with what, and why others did not."""

from dataclasses import dataclass, field

from medfl_common.wire.results import TrainResult


@dataclass(frozen=True)
class Answered:
    """What one site gave in one round, its update apart."""

    result: TrainResult
    bytes_received: int
    bytes_sent: int
    sha256: str  # of the reply, as in the site's own ledger


@dataclass
class Replies:
    """Who answered in one round, and why others did not."""

    answered: dict[str, Answered] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # site -> reason
    seconds: float = 0.0
