"""What a line of the log says of a model's scores, without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from medfl_common.metrics.enough import case_digits, digits
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked, RoundMade


class Score(NamedTuple):
    """Of one site, or of all together."""

    n: int  # images
    loss: float
    value: float | None  # of the study's main score
    places: int = 3  # digits after the point that n images allow

    @property
    def written(self) -> str:
        """Write the main score with the digits that its images allow."""
        return "no value" if self.value is None else f"{self.value:.{self.places}f}"


@dataclass(frozen=True)
class Scores:
    """Of one model."""

    whole: Score | None = None
    sites: Mapping[str, Score] = field(default_factory=dict)


def main_score(plan: Plan) -> tuple[str, str]:
    """Name the score that pages show, and write its name."""
    dense = {"segmentation": ("dice", "Dice"), "detection": ("froc", "FROC")}
    return dense.get(plan.task.type, ("auc", "AUC"))


def scores_of(event: Asked, key: str) -> Scores:
    """Read the scores; of a line without them count anew, where it has a classification's counts.

    Args:
        event: A line of the log.
        key: The main score's.
    """
    told = event.scores
    if told is None:
        return _counted(event)
    whole = told.get("all")
    sites = {name: _score(one, key) for name, one in told.get("sites", {}).items()}
    return Scores(None if whole is None else _score(whole, key), sites)


def model_round(event: Asked) -> int:
    """Return the number of rounds behind the model that a line scores."""
    return event.round - isinstance(event, RoundMade)


def _score(told: Mapping[str, Any], key: str) -> Score:
    n = told["n"]
    return Score(n, told["loss"], told.get(key), (digits if key == "auc" else case_digits)(n))


def _counted(event: Asked) -> Scores:
    from medfl_common.metrics.counts import ScoreCounts, auc, merge

    def score(counts: ScoreCounts) -> Score:
        return Score(counts.n, counts.loss, auc(counts) if counts.n else None, digits(counts.n))

    if event.pooled is not None:
        pooled = event.pooled.score_counts
        return Scores(None if pooled is None else score(pooled))
    told = {site: reply.score_counts for site, reply in event.sites.items()}
    counts = {site: one for site, one in told.items() if one is not None}
    if not counts:
        return Scores()
    return Scores(score(merge([*counts.values()])), {s: score(one) for s, one in counts.items()})
