"""What the run log keeps of a secure sum: figures of its hospitals together, of none alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from medfl_common.files import Json
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.run.counts_json import counts_from_json, counts_to_json
from medfl_common.run.site_reply import n_scored_of


@dataclass(frozen=True)
class PooledReply:
    """What the log keeps of the sum of some hospitals' replies."""

    facts: Mapping[str, Any]

    @classmethod
    def of(
        cls, *, n_sites: int, n_images: int, n_steps: int, train_loss: float, n_clipped: int,
        norms: Sequence[int], norm: float | None, n_scoring: int,
        score_counts: ScoreCounts | None,
    ) -> Self:  # fmt: skip
        """Note what a sum says.

        Args:
            n_sites: Hospitals in the sum.
            n_images: Training images, each hospital's up to the plan's most_images.
            n_steps: Optimiser steps.
            train_loss: Mean loss over the training images.
            n_clipped: Weights that wished to change by more than the plan's range.
            norms: Hospitals by the norm of their update; see medfl_common.wire.pooled.norm_bin.
            norm: L2 norm of the mean update; None: nothing was trained.
            n_scoring: Hospitals that added scores.
            score_counts: Counts of their images together.
        """
        facts: dict[str, Json] = {
            "n_sites": n_sites, "n_images": n_images, "n_steps": n_steps, "train_loss": train_loss,
            "n_clipped": n_clipped, "norms": [*norms], "norm": norm, "n_scoring": n_scoring,
        }  # fmt: skip
        if score_counts is not None:
            facts["tally"] = counts_to_json(score_counts)
        return cls(facts)

    @property
    def n_sites(self) -> int:
        """Hospitals in the sum."""
        return int(self.facts["n_sites"])

    @property
    def n_images(self) -> int:
        """Training images."""
        return int(self.facts["n_images"])

    @property
    def train_loss(self) -> float:
        """Mean loss over the training images."""
        return float(self.facts["train_loss"])

    @property
    def n_clipped(self) -> int:
        """Weights that wished to change by more than the plan's range."""
        return int(self.facts["n_clipped"])

    @property
    def norms(self) -> list[int]:
        """Hospitals by the norm of their update; empty: nothing was trained."""
        return [int(n) for n in self.facts["norms"]]

    @property
    def norm(self) -> float | None:
        """L2 norm of the mean update."""
        told = self.facts["norm"]
        return None if told is None else float(told)

    @property
    def n_scoring(self) -> int:
        """Hospitals that added scores."""
        return int(self.facts["n_scoring"])

    @property
    def n_scored(self) -> int | None:
        """Scored images of all; None where there are none."""
        return n_scored_of(self.facts)

    @property
    def score_counts(self) -> ScoreCounts | None:
        """Counts of the scored images of all; None where there are none."""
        return counts_from_json(self.facts["tally"]) if "tally" in self.facts else None
