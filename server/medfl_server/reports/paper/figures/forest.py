"""The main score at each site, over all, outside and without each hospital, with intervals."""

from collections.abc import Iterator
from functools import partial

from medfl_common.metrics.box_counts import merge_boxes
from medfl_common.metrics.box_estimates import box_estimates
from medfl_common.metrics.counts import ScoreCounts, merge
from medfl_common.metrics.estimates import Estimate, auc_estimate
from medfl_common.metrics.mask_counts import merge_masks
from medfl_common.metrics.mask_estimates import mask_estimates
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked
from medfl_common.ui.page import interval_figure
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.figures.drawing import Drawing
from medfl_server.reports.paper.inner_studies import left_out
from medfl_server.reports.scores import (
    ALL,
    SUMMED,
    box_counts_in,
    mask_counts_in,
    part_of,
    score_counts_in,
    score_sites,
)
from medfl_server.reports.sections.numbers import ends_of
from medfl_server.reports.sections.shared import main_score

Found = list[tuple[str, str, Estimate]]  # part, where, value
CAPTION = (
    "{word} of the final model with 95 % intervals: at each site, over all of a part, at hospitals "
    "outside the study and, where it was made, by a federation without the hospital. A "
    "point without a line has no interval: it is of too few patients. The upright line is {line}."
)


def forest_drawing(facts: Facts) -> Iterator[Drawing]:
    """Draw it where any site shares scores of the final model."""
    found = estimates_by_site(facts)
    if not found:
        return
    name, word = main_score(facts.plan)
    at = 0.5 if name == "auc" else _whole(facts, name)
    line = "chance" if name == "auc" else "the value over all sites"
    bars = {
        f"{where}, {part} (n = {e.n})": _bar(e.value, e.low, e.high)
        for part, where, e in found
        if e.value is not None
    }
    rows = [[part, where, str(e.n), *ends_of(e, facts.plan)] for part, where, e in found]
    header = ["part", "where", "images", word, "low", "high"]
    draw = partial(interval_figure, bars, word, at=at)
    yield Drawing("forest", CAPTION.format(word=word, line=line), draw, header, rows)


def _bar(value: float, low: float | None, high: float | None) -> tuple[float, float, float]:
    """Give a point where there is no interval."""
    return (value, value, value) if low is None or high is None else (value, low, high)


def estimates_by_site(facts: Facts) -> Found:
    """Estimate the main score at each site and over all, on each part that was scored."""
    found: Found = []
    for event in (facts.finished, facts.tested, facts.outside):
        if event is not None:
            here = _of_event(event, facts.plan)
            one_alone = len(here) == 2  # the hospital, and all of them
            found += [(part_of(event), where, e) for where, e in here[: -1 if one_alone else None]]
    found += [("left out", where, one) for where, one in left_out(facts)]
    return [one for one in found if one[2].value is not None]


def _of_event(event: Asked, plan: Plan) -> list[tuple[str, Estimate]]:
    if plan.task.has_masks:
        masks = mask_counts_in(event)
        whole = {ALL: merge_masks([*masks.values()])} if masks else {}
        return [(site, mask_estimates(one)["dice"]) for site, one in {**masks, **whole}.items()]
    if plan.task.has_boxes:
        boxes = box_counts_in(event)
        all_boxes = {ALL: merge_boxes([*boxes.values()])} if boxes else {}
        return [(site, box_estimates(one)["froc"]) for site, one in {**boxes, **all_boxes}.items()]
    counts: dict[str, ScoreCounts] = {
        site: one for site, one in score_counts_in(event).items() if site != SUMMED
    }
    every = score_counts_in(event)
    joined = {ALL: merge([*every.values()])} if every else {}
    return [(site, auc_estimate(one, plan.task.type)) for site, one in {**counts, **joined}.items()]


def _whole(facts: Facts, name: str) -> float:
    found = score_sites(facts.shown).get(ALL) if facts.shown else None
    return (found.values.get(name) if found else None) or 0.0
