"""What the run log keeps of one site's reply, and its JSON; see events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from medfl_common.files import Json
from medfl_common.metrics.box_counts import BoxCounts
from medfl_common.metrics.box_numbers import (
    BOX_NAMES,
    box_shapes,
    boxes_from_numbers,
    boxes_to_numbers,
)
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.feature_moments import FeatureMoments
from medfl_common.metrics.mask_counts import MaskCounts
from medfl_common.metrics.mask_numbers import EFFECTS, NAMES
from medfl_common.metrics.mask_numbers import from_numbers as masks_from
from medfl_common.metrics.mask_numbers import shapes as mask_shapes
from medfl_common.metrics.mask_numbers import to_numbers as masks_to
from medfl_common.metrics.membership import Membership
from medfl_common.metrics.participants import Participants
from medfl_common.metrics.site_statistics import SiteStatistics
from medfl_common.run.counts_json import counts_from_json, counts_to_json
from medfl_common.run.statistics_facts import (
    participants_in,
    statistics_facts,
    statistics_in,
)

Facts = Mapping[str, Any]
COUNTED = ("tally", "masks", "boxes")  # counts of the scored images; a reply has one of them
HEAVY = (*COUNTED, "groups", "features", "membership")  # what is not in the log line itself


@dataclass(frozen=True)
class SiteReply:
    """What the log keeps of one site's reply."""

    facts: Facts

    @classmethod
    def of_work(
        cls, *, n_images: int, n_steps: int, train_loss: float, seconds: float,
        bytes_received: int, bytes_sent: int, sha256: str, for_round: int | None,
        score_counts: ScoreCounts | None, exact_auc: float | None,
        groups: Mapping[str, Sequence[ScoreCounts]], compared: Mapping[str, Json],
        versions: Mapping[str, str] | None = None, features: FeatureMoments | None = None,
        waited: float | None = None, mask_counts: MaskCounts | None = None,
        box_counts: BoxCounts | None = None, membership: Membership | None = None,
        device: str | None = None,
    ) -> Self:  # fmt: skip
        """Note what a site trained and scored.

        Args:
            n_images: Training images.
            n_steps: Optimiser steps.
            train_loss: Mean loss over the training images.
            seconds: The site's own time for the work.
            bytes_received: Bytes that the coordinator received.
            bytes_sent: Bytes that the coordinator sent.
            sha256: Digest of the reply, as in the site's ledger.
            for_round: The round that the reply was asked for, where that is another one.
            score_counts: Counts of the validation images; None where the policy withholds them.
            exact_auc: AUC without bins, from the site; None where it is undefined.
            groups: Counts of subgroups by kind.
            versions: Of medfl, torch and Python at the site.
            features: Moments of the final model's features of the validation images.
            waited: Seconds from the question to the answer; None: of a virtual hospital.
            mask_counts: Counts of a segmentation's cases, instead of `score_counts`.
            box_counts: Counts of a detection's boxes, instead of `score_counts`.
            membership: Counts of trained and held-out images by how well the model knows them.
            device: `cpu` or `cuda`; None: the site did not tell.
            compared: `norm` and `cosine` of the update beside the other sites'.
        """
        facts: dict[str, Json] = {
            "n_images": n_images, "n_steps": n_steps, "train_loss": train_loss, "seconds": seconds,
            "bytes_received": bytes_received, "bytes_sent": bytes_sent, "sha256": sha256,
        }  # fmt: skip
        known: dict[str, Json] = {"waited": waited, "for_round": for_round, "device": device}
        known["versions"] = None if versions is None else {**versions}
        facts |= {name: value for name, value in known.items() if value is not None}
        if score_counts is not None:
            facts |= {"tally": counts_to_json(score_counts), "exact_auc": exact_auc}
        facts |= _dense_facts(mask_counts, box_counts) | _of_membership(membership)
        if groups:
            facts["groups"] = {
                kind: [counts_to_json(one) for one in counts] for kind, counts in groups.items()
            }
        if features is not None:
            facts["features"] = [*features.to_numbers()]
        return cls({**facts, **compared})

    @classmethod
    def of_masked(
        cls, seconds: float, bytes_received: int, bytes_sent: int, sha256: str,
        waited: float | None, versions: Mapping[str, str] | None, device: str | None = None,
    ) -> Self:  # fmt: skip
        """Note that a site took part in a secure sum, and nothing of what it added."""
        facts: dict[str, Json] = {
            "seconds": seconds, "bytes_received": bytes_received, "bytes_sent": bytes_sent,
            "sha256": sha256,
        }  # fmt: skip
        known = {"waited": waited, "device": device}
        facts |= {name: value for name, value in known.items() if value is not None}
        return cls(facts if versions is None else {**facts, "versions": {**versions}})

    @classmethod
    def of_statistics(
        cls, counts: SiteStatistics, bytes_received: int, bytes_sent: int,
        flow: Participants | None = None,
    ) -> Self:  # fmt: skip
        """Note what a site counts of its data, and of how its files became its parts."""
        sizes = {"bytes_received": bytes_received, "bytes_sent": bytes_sent}
        return cls({**sizes, **statistics_facts(counts, flow)})

    @property
    def participants(self) -> Participants | None:
        """How the site's files became its parts; None: it did not tell."""
        return participants_in(self.facts)

    @property
    def seconds(self) -> float:
        """The site's own time for the work; 0: it is not known."""
        return float(self.facts.get("seconds", 0.0))

    @property
    def device(self) -> str | None:
        """What worked, `cpu` or `cuda`; None: an earlier version did not tell."""
        return self.facts.get("device")

    @property
    def n_images(self) -> int:
        """Training images."""
        return int(self.facts.get("n_images", 0))

    @property
    def versions(self) -> dict[str, str]:
        """Versions of medfl, torch and Python at the site; empty: it did not tell."""
        return dict(self.facts.get("versions", {}))

    @property
    def n_steps(self) -> int:
        """Optimiser steps of the round."""
        return int(self.facts.get("n_steps", 0))

    @property
    def seconds_to_answer(self) -> float:
        """Seconds from the question to the answer; 0: it is not known.

        A site that was asked twice sends the answer that it has; then its work took longer.
        """
        waited = self.facts.get("waited")
        return 0.0 if waited is None else max(float(waited), float(self.facts.get("seconds", 0.0)))

    @property
    def train_loss(self) -> float | None:
        """Mean loss over the training images; None: it is told of hospitals together."""
        told = self.facts.get("train_loss")
        return None if told is None else float(told)

    @property
    def bytes_received(self) -> int:
        """Bytes that the coordinator received of the site."""
        return int(self.facts.get("bytes_received", 0))

    @property
    def bytes_sent(self) -> int:
        """Bytes that the coordinator sent to the site."""
        return int(self.facts.get("bytes_sent", 0))

    @property
    def exact_auc(self) -> float | None:
        """AUC without bins, from the site."""
        return self.facts.get("exact_auc")

    @property
    def norm(self) -> float | None:
        """L2 norm of the update, running statistics left out."""
        return self.facts.get("norm")

    @property
    def cosine(self) -> float | None:
        """Cosine of the update with the mean of the other sites' updates, -1..1."""
        return self.facts.get("cosine")

    @property
    def n_scored(self) -> int | None:
        """Validation images that were scored; None where the policy withholds scores."""
        return n_scored_of(self.facts)

    @property
    def score_counts(self) -> ScoreCounts | None:
        """Counts of the validation images; None where the policy withholds them."""
        told = self._counts("tally")
        return None if told is None else counts_from_json(told)

    @property
    def mask_counts(self) -> MaskCounts | None:
        """Counts of a segmentation's cases; None where the policy withholds them."""
        told = self._counts("masks")
        if told is None:
            return None
        lists = {name: np.array(told[name]) for name in (*NAMES, EFFECTS) if name in told}
        return masks_from(told["n"], told["loss"], lists)

    @property
    def box_counts(self) -> BoxCounts | None:
        """Counts of a detection's boxes; None where the policy withholds them."""
        told = self._counts("boxes")
        if told is None:
            return None
        lists = {name: np.array(told[name]) for name in BOX_NAMES}
        return boxes_from_numbers(told["n"], told["loss"], lists)

    def _counts(self, name: str) -> Any:
        found = [key for key in COUNTED if key in self.facts]
        if not found and "n_scored" in self.facts:
            raise ValueError("the counts are beside the log: RunLog reads both")
        return self.facts[name] if name in found else None

    def group(self, kind: str, place: int) -> ScoreCounts | None:
        """Give the counts of one subgroup; None where the site withholds them or has no image."""
        groups = self.facts.get("groups", {}).get(kind)
        if groups is None or not groups[place]["n"]:
            return None
        return counts_from_json(groups[place])

    @property
    def features(self) -> FeatureMoments | None:
        """Moments of the final model's features; None where plan or policy keeps them back."""
        told = self.facts.get("features")
        return None if told is None else FeatureMoments.of_numbers(told)

    @property
    def membership(self) -> Membership | None:
        """Counts of trained and held-out images; None where plan or policy keeps them back."""
        told = self.facts.get("membership")
        return None if told is None else Membership(*map(np.array, told.values()))

    @property
    def statistics(self) -> SiteStatistics | None:
        """What the site counts of its data."""
        return statistics_in(self.facts)


def _of_membership(counts: Membership | None) -> dict[str, Json]:
    if counts is None:
        return {}
    return {"membership": {k: v.tolist() for k, v in vars(counts).items()}}


def _dense_facts(masks: MaskCounts | None, boxes: BoxCounts | None) -> dict[str, Json]:
    facts: dict[str, Json] = {}
    if masks is not None:
        facts["masks"] = _dense_to_json(masks, masks_to(masks))
    if boxes is not None:
        facts["boxes"] = _dense_to_json(boxes, boxes_to_numbers(boxes))
    return facts


def _dense_to_json(
    counts: MaskCounts | BoxCounts, told: Mapping[str, list[int]]
) -> dict[str, Json]:
    """Write lists of counts, each in its shape."""
    facts: dict[str, Json] = {"n": counts.n, "loss": counts.loss}
    for name, numbers in told.items():
        rows: Any = np.reshape(numbers, _shapes_of(counts)[name]).tolist()
        facts[name] = rows
    return facts


def _shapes_of(counts: MaskCounts | BoxCounts) -> Mapping[str, tuple[int, ...]]:
    if isinstance(counts, MaskCounts):
        return mask_shapes(len(counts.cases), counts.effects is not None)
    return box_shapes(len(counts.truths))


def n_scored_of(facts: Facts) -> int | None:
    """Count the images that were scored; None: no counts are told."""
    if "n_scored" in facts:
        return int(facts["n_scored"])
    told = next((facts[k] for k in COUNTED if k in facts), None)
    return None if told is None else int(told["n"])
