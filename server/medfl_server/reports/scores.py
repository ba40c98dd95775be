"""Curves and tables from the sites' counts in the run log, per site and over all of them.

The scores in the event of round r are those of the weights before it, so of the model after round
r - 1; the event `finished` scores the final model, and `scored` the last one where it is another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from medfl_common.metrics.box_counts import BoxCounts
from medfl_common.metrics.clusters import of_part
from medfl_common.metrics.counts import ScoreCounts, merge, scores
from medfl_common.metrics.curves import auc_bound
from medfl_common.metrics.dense_counts import DenseCounts, dense_scores, fewest_in, merge_dense
from medfl_common.metrics.mask_counts import MaskCounts
from medfl_common.metrics.mask_estimates import of_cases
from medfl_common.metrics.subgroups import group_names
from medfl_common.plan.plan import Plan
from medfl_common.run.events import (
    Asked,
    Event,
    Finished,
    RoundMade,
    ScoredOnTest,
    ScoredOutside,
    WithModel,
)
from medfl_common.run.site_reply import SiteReply
from medfl_server.reports.own_scores import own_scores
from medfl_server.reports.sections.numbers import case_number, number

Kind = TypeVar("Kind", bound=WithModel)

ALL = "all sites"
SUMMED = "sum of the sites"  # what no site tells alone


@dataclass(frozen=True)
class Scored:
    """One model on one site's validation or test images, or on those of all sites together."""

    n: int
    loss: float
    # True class (row), predicted class (column); multilabel: per finding; masks, boxes: empty.
    confusion: list[Any]
    values: dict[str, float | None]  # of metrics.counts.scores, or of metrics.dense_counts
    bounds: dict[str, float]  # how far a value may be off, by the histograms' bins
    n_with: int | None = None  # of masks, boxes: images with the rarest class that is scored

    def text(self, name: str) -> str:
        """Write a value with the digits that its images and bins allow."""
        value = self.loss if name == "loss" else self.values.get(name)
        if not self.confusion:
            is_of_all = name == "loss" or self.n_with is None
            return case_number(value, self.n if is_of_all else self.n_with or 0)
        return number(value, self.n, self.bounds.get(name, 0.0))

    def of_images(self, part: str) -> str:
        """Say of how many images of a part the scores are."""
        return of_cases(self.n, self.n_with or 0, f"{part} images")


def shown_event(events: Sequence[Event]) -> Asked | None:
    """Choose whose scores a reader sees first; None: nothing was scored yet.

    The final model's on the test parts, which chose nothing, where any site shares them; else on
    the validation parts; of an unfinished study the newest round's.
    """
    scored = [event for event in events if isinstance(event, RoundMade | Finished)]
    if not scored or not isinstance(scored[-1], Finished):
        return scored[-1] if scored else None
    return once_each(events, ScoredOnTest, scored[-1]) or scored[-1]


def once_each(events: Sequence[Event], kind: type[Kind], finished: Finished) -> Kind | None:
    """Join what sites said of the final model, each its first answer; None: no site shares scores.

    A hospital that was away at the end may have scored it later.
    """
    found = [e for e in events if isinstance(e, kind) and e.sha256 == finished.sha256]
    if not any(n_scored_in(event) for event in found):
        return None
    sites: dict[str, SiteReply] = {}
    for event in found:
        sites = {**event.sites, **sites}
    missing = {site: why for e in found for site, why in e.missing.items() if site not in sites}
    pooled = found[0].pooled  # of a group of hospitals, which is one, and asked once
    asked = Asked.of_replies(finished.round, None, sites, missing, pooled)
    return kind.of_model(finished.sha256, asked)


def part_of(event: Asked) -> str:
    """Name the part of each site's data that an event's scores are of; outside is all of it."""
    if isinstance(event, ScoredOutside):
        return "outside"
    return "test" if isinstance(event, ScoredOnTest) else "validation"


def score_counts_in(event: Asked) -> dict[str, ScoreCounts]:
    """Read the counts of an event: site -> score counts, for the sites that share them.

    Sites that told theirs as a sum have one entry, SUMMED.
    """
    if event.pooled is not None:
        whole = event.pooled.score_counts
        return {} if whole is None else {SUMMED: whole}
    found = {site: reply.score_counts for site, reply in event.sites.items()}
    return {site: counts for site, counts in found.items() if counts is not None}


def mask_counts_in(event: Asked) -> dict[str, MaskCounts]:
    """Read the counts of a segmentation's cases: site -> counts, for the sites that share them."""
    found = {site: reply.mask_counts for site, reply in event.sites.items()}
    return {site: counts for site, counts in found.items() if counts is not None}


def box_counts_in(event: Asked) -> dict[str, BoxCounts]:
    """Read the counts of a detection's boxes: site -> counts, for the sites that share them."""
    found = {site: reply.box_counts for site, reply in event.sites.items()}
    return {site: counts for site, counts in found.items() if counts is not None}


def dense_counts_in(event: Asked) -> dict[str, DenseCounts]:
    """Read the counts of masks or boxes; a study has one of them."""
    return {**mask_counts_in(event), **box_counts_in(event)}


def n_scored_in(event: Asked) -> dict[str, int]:
    """Count the images that each site scored, for the sites that share scores; see SUMMED."""
    if event.pooled is not None:
        n = event.pooled.n_scored
        return {} if n is None else {SUMMED: n}
    found = {site: reply.n_scored for site, reply in event.sites.items()}
    return {site: n for site, n in found.items() if n is not None}


def n_scoring_in(event: Asked) -> int:
    """Count the sites that share scores."""
    return len(n_scored_in(event)) if event.pooled is None else event.pooled.n_scoring


def score_counts_of_groups(event: Asked, plan: Plan) -> dict[str, dict[str, ScoreCounts]]:
    """Add up the sites' counts by group: kind -> group -> score counts, for groups with images."""
    found: dict[str, dict[str, ScoreCounts]] = {}
    for kind, names in group_names(plan).items():
        for i, name in enumerate(names):
            groups = [_group(reply, kind, i) for reply in event.sites.values()]
            if parts := [counts for counts in groups if counts is not None]:
                found.setdefault(kind, {})[name] = merge(parts)
    return found


def _group(reply: SiteReply, kind: str, place: int) -> ScoreCounts | None:
    """Give a group's counts; the design effects of the whole stand for its own."""
    counts, whole = reply.group(kind, place), reply.score_counts
    if counts is None or whole is None:
        return counts
    return replace(counts, clusters=of_part(whole.clusters, counts.n / whole.n))


def score_sites(event: Asked, plan: Plan | None = None) -> dict[str, Scored]:
    """Score each site of an event, and all together under ALL; empty without counts.

    With the plan also by its own metrics.
    """
    dense = dense_counts_in(event)
    if dense:
        found = {site: _scored_dense(counts) for site, counts in dense.items()}
        return {**found, ALL: _scored_dense(merge_dense([*dense.values()]))}
    counted = score_counts_in(event)
    found = {site: _scored(c, plan) for site, c in counted.items() if site != SUMMED}
    if counted:
        found[ALL] = _scored(merge([*counted.values()]), plan)
    return found


def model_round(event: Asked) -> int:
    """Return the number of rounds behind the model that an event scores."""
    return event.round - isinstance(event, RoundMade)


def _scored(counts: ScoreCounts, plan: Plan | None) -> Scored:
    bounds = {"auc": auc_bound(counts)}
    values = {**scores(counts), **({} if plan is None else own_scores(counts, plan))}
    return Scored(counts.n, counts.loss, counts.confusion.tolist(), values, bounds)


def _scored_dense(counts: DenseCounts) -> Scored:
    return Scored(counts.n, counts.loss, [], dense_scores(counts), {}, fewest_in(counts))
