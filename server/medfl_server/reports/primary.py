"""Whether the study met the primary aim that its plan names, by the interval and never by a point.

The log is read, not the files of the run, so a report and a page of a later day say the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medfl_common.metrics.box_counts import merge_boxes
from medfl_common.metrics.box_estimates import box_estimates
from medfl_common.metrics.counts import merge
from medfl_common.metrics.enough import digits
from medfl_common.metrics.estimates import Estimate, estimates
from medfl_common.metrics.mask_counts import merge_masks
from medfl_common.metrics.mask_estimates import mask_estimates
from medfl_common.plan.plan import Plan
from medfl_common.plan.primary import Primary, in_words
from medfl_common.run.compared import Compared
from medfl_common.run.decisions import PlanChanged
from medfl_common.run.events import Asked, Event, Finished, ScoredOnTest, ScoredOutside, WithModel
from medfl_common.run.log import BEFORE
from medfl_server.reports.effects_told import all_tell
from medfl_server.reports.scores import (
    box_counts_in,
    mask_counts_in,
    n_scored_in,
    once_each,
    score_counts_in,
)

SETTING = "evaluation.primary"
NO_AIM = "The plan named no primary aim in advance."
NO_SCORES = {
    "test": "no hospital scored the final model on a test part",
    "outside": "no hospital outside the study scored the final model",
}
NOT_TRAINED = {
    "pooled": "nobody trained a model on all images in one place",
    "best_single": "nobody trained models of single hospitals",
}
BY_IMAGE = ", which is too narrow where a patient has several"
NOT_BY_ALL = "; not every hospital tells how alike a patient's images are"
FINEST = 6  # digits after the point, of an end that would else look like the limit


@dataclass(frozen=True)
class Verdict:
    """Whether a study met its primary aim.

    met: None where it cannot be decided, or the plan has none. sentence: all of it in words.
    """

    met: bool | None
    sentence: str


@dataclass(frozen=True)
class _Found:
    """What the aim is decided by: an interval that must lie beyond `limit`."""

    low: float
    high: float
    limit: float
    words: str
    why_narrow: str = ""  # it counts images somewhere, of which a patient may have several


def primary_aim(events: Sequence[Event], plan: Plan, names: Mapping[str, str] | None = None) -> str:
    """Give what a page's first words end with; nothing where the plan has no aim."""
    return "" if plan.evaluation.primary is None else f" {verdict(events, plan, names).sentence}"


def verdict(events: Sequence[Event], plan: Plan, names: Mapping[str, str] | None = None) -> Verdict:
    """Say whether the study met its plan's primary aim.

    Args:
        events: The run log's.
        plan: The study's, as it is now.
        names: What to call the sites; None: their names.
    """
    own = plan.evaluation.primary
    if own is None:
        return Verdict(None, NO_AIM)
    found = _found(own, events, plan, names or {})
    is_met, why = (None, found) if isinstance(found, str) else _decide(own, found)
    how = {True: "was met", False: "was not met", None: "cannot be decided"}[is_met]
    aim = in_words(own, plan.evaluation.specificity, plan.images.distance_unit)
    more = f"{_silent(own, events)}{_tested(own, events, plan)}{changed(events)}"
    return Verdict(is_met, f"The primary aim, {aim}, {how}: {why}.{more}")


def tested_before(events: Sequence[Event]) -> bool:
    """Say whether the test part scored an earlier model, before the study went on."""
    return any(event.facts.get("event") == f"{ScoredOnTest.kind}{BEFORE}" for event in events)


def _silent(own: Primary, events: Sequence[Event]) -> str:
    """Count who was asked for the scores that decide, and shared none."""
    finished = [event for event in events if isinstance(event, Finished)]
    kind: type[WithModel] = ScoredOnTest if own.part == "test" else ScoredOutside
    scored = once_each(events, kind, finished[-1]) if finished else None
    if scored is None or own.against != "value":
        return ""
    if scored.pooled is not None:
        n = scored.pooled.n_sites - scored.pooled.n_scoring
    else:
        n = len({*scored.sites, *scored.missing} - {*n_scored_in(scored)})
    whom = "1 hospital that was asked" if n == 1 else f"{n} hospitals that were asked"
    return f" {whom} shared no such scores." if n else ""


def _tested(own: Primary, events: Sequence[Event], plan: Plan) -> str:
    """Say what else may have seen the test part that decides."""
    if own.part != "test":
        return ""
    before = " The test part had scored an earlier model before." if tested_before(events) else ""
    split = plan.evaluation.split_of
    if split is None:
        return before
    return f"{before} The parts are those of the study {split}, which may have scored them."


def _found(
    own: Primary, events: Sequence[Event], plan: Plan, names: Mapping[str, str]
) -> _Found | str:
    """Give what decides the aim, or why nothing does."""
    finished = [event for event in events if isinstance(event, Finished)]
    if not finished:
        return "the study is not finished"
    if own.against != "value":
        return _of_models(own, events, finished[-1], names)
    kind: type[WithModel] = ScoredOnTest if own.part == "test" else ScoredOutside
    scored = once_each(events, kind, finished[-1])
    return NO_SCORES[own.part] if scored is None else _of_score(own, scored, plan)


def _of_score(own: Primary, scored: Asked, plan: Plan) -> _Found | str:
    one, n = _estimate(own, scored, plan)
    if one.value is None:
        return f"{n} images give no such score"
    if one.low is None or one.high is None:
        return f"{one.value:.2f} on {n} images of too few patients"
    assert own.value is not None
    whose, why_narrow = "by patient", ""
    if one.independent == "images":
        whose, why_narrow = "by image", BY_IMAGE
    elif not all_tell(scored, own.metric):
        whose, why_narrow = "or wider", NOT_BY_ALL
    ends, limit = (one.low, one.high), own.value + (-own.gain if own.is_low_best else own.gain)
    places = _places(ends, limit, digits(n, one.bound))
    value, low, high = (f"{number:.{places}f}" for number in (one.value, *ends))
    words = f"{value} on {n} images, 95 % interval {low} to {high} {whose}"
    return _Found(*ends, limit, words, why_narrow)


def _estimate(own: Primary, scored: Asked, plan: Plan) -> tuple[Estimate, int]:
    """Give the score over all hospitals that share it, and how many images it is of."""
    if plan.task.has_masks:
        masks = merge_masks([*mask_counts_in(scored).values()])
        return mask_estimates(masks)[own.metric], masks.n
    if plan.task.has_boxes:
        boxes = merge_boxes([*box_counts_in(scored).values()])
        return box_estimates(boxes)[own.metric], boxes.n
    counts = merge([*score_counts_in(scored).values()])
    found = estimates(counts, plan.task.type, plan.evaluation.specificity)
    return found[own.metric], counts.n


def _of_models(
    own: Primary, events: Sequence[Event], finished: Finished, names: Mapping[str, str]
) -> _Found | str:
    """Give what a simulation noted of the two models."""
    told = [
        event for event in events
        if isinstance(event, Compared) and event.sha256 == finished.sha256
        and event.asked == (own.against, own.part)
    ]  # fmt: skip
    if not told:
        return NOT_TRAINED[own.against]
    one = told[-1]
    if one.values is None:
        return f"{one.n} images give no such score"
    if one.interval is None:
        gain = one.values[0] - one.values[1]
        return f"the difference is {gain:+.2f} on {one.n} images of too few patients"
    whose = f"that of {names.get(one.name, one.name)} alone" if one.name else "the other"
    own_value, other = (f"{value:.{digits(one.n)}f}" for value in one.values)
    places = _places(one.interval, own.gain, digits(one.n))
    low, high = (f"{end:+.{places}f}" for end in one.interval)
    words = (
        f"{own_value}, {whose} {other}, on {one.n} images, 95 % interval of the difference "
        f"{low} to {high} by patient"
    )
    return _Found(*one.interval, own.gain, words)


def _decide(own: Primary, found: _Found) -> tuple[bool | None, str]:
    """Compare the whole interval with its limit."""
    is_low_best = own.is_low_best and own.against == "value"
    is_beyond = found.high < found.limit if is_low_best else found.low > found.limit
    is_short = found.low > found.limit if is_low_best else found.high < found.limit
    if is_beyond and found.why_narrow:
        return None, f"{found.words}{found.why_narrow}"
    if is_beyond:
        return True, found.words
    return False, found.words + (", all of it short of the aim" if is_short else "")


def _places(ends: Sequence[float], limit: float, least: int) -> int:
    """Count digits after the point, at least so many, that tell an interval's ends from a limit."""
    apart = (k for k in range(least, FINEST) if all(round(e, k) != round(limit, k) for e in ends))
    return next(apart, least)


def changed(events: Sequence[Event]) -> str:
    """Say when the aim was changed after rounds were made: it was not named in advance then."""
    changes = [
        event for event in events
        if isinstance(event, PlanChanged) and event.round > 0
        and any(key.startswith(SETTING) for key, _, _ in event.changes)
    ]  # fmt: skip
    if not changes:
        return ""
    after = " and ".join(f"round {event.round}" for event in changes)
    return f" It was changed after {after}, so it was not named in advance."
