"""`results.csv`: each score of the final model as a line, with its interval and whose it is."""

from collections.abc import Iterator, Mapping

from medfl_common.metrics.box_counts import merge_boxes
from medfl_common.metrics.box_estimates import box_estimates
from medfl_common.metrics.box_estimates import class_estimates as of_box_class
from medfl_common.metrics.counts import confusion_scores, merge
from medfl_common.metrics.estimates import Estimate, auc_estimate, estimates
from medfl_common.metrics.mask_counts import merge_masks
from medfl_common.metrics.mask_estimates import class_estimates as of_mask_class
from medfl_common.metrics.mask_estimates import mask_estimates
from medfl_common.run.events import Asked
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.inner_studies import left_out
from medfl_server.reports.scores import (
    ALL,
    SUMMED,
    box_counts_in,
    mask_counts_in,
    model_round,
    part_of,
    score_counts_in,
    score_counts_of_groups,
)
from medfl_server.reports.sections.numbers import ends_of, number

HEADER = [
    "model_of_round", "part", "where", "group", "score", "value", "low", "high", "images",
    "patients", "interval_counts",
]  # fmt: skip
Found = Mapping[str, Estimate]


def score_rows(facts: Facts) -> list[list[str]]:
    """List every score of the final model: over all, at each site, by class and by group.

    `interval_counts` says patients, or images where an interval may be wider.
    At a single site only the AUC is told of whole images: other scores of few would tell of them.
    """
    rows = [HEADER]
    for event in (facts.finished, facts.tested, facts.outside):
        if event is not None:
            rows += [[str(model_round(event)), *row] for row in _of_event(event, facts)]
    if facts.shown is not None:
        of, part = str(model_round(facts.shown)), part_of(facts.shown)
        rows += [[of, part, *row] for row in _of_groups(facts)]
    for where, one in left_out(facts):
        rows.append(["", "left out", *_row(where, "", "auc", one, facts)])
    return rows


def _of_event(event: Asked, facts: Facts) -> Iterator[list[str]]:
    part, plan = part_of(event), facts.plan
    if masks := mask_counts_in(event):
        whole = merge_masks([*masks.values()])
        for where, counts in {**masks, ALL: whole}.items():
            yield from _rows(part, where, "", mask_estimates(counts), facts)
        for k, name in enumerate(plan.task.foreground):
            yield from _rows(part, ALL, name, of_mask_class(whole, k), facts)
    elif boxes := box_counts_in(event):
        every = merge_boxes([*boxes.values()])
        for where, one in {**boxes, ALL: every}.items():
            yield from _rows(part, where, "", box_estimates(one), facts)
        for k, name in enumerate(plan.task.foreground):
            yield from _rows(part, ALL, name, of_box_class(every, k), facts)
    elif counted := score_counts_in(event):
        for where, scored in counted.items():
            if where != SUMMED:
                yield [part, *_row(where, "", "auc", auc_estimate(scored, plan.task.type), facts)]
        joined = merge([*counted.values()])
        found = estimates(joined, plan.task.type, plan.evaluation.specificity)
        yield from _rows(part, ALL, "", found, facts)


def _of_groups(facts: Facts) -> Iterator[list[str]]:
    """List AUC, sensitivity and specificity of each group that sites told."""
    assert facts.shown is not None
    for kind, groups in score_counts_of_groups(facts.shown, facts.plan).items():
        for name, counts in groups.items():
            group, rates = f"{kind}: {name}", confusion_scores(counts)
            yield _row(ALL, group, "auc", auc_estimate(counts, facts.plan.task.type), facts)
            for score in ("recall", "specificity"):
                value = number(rates[score], counts.n)
                value = "" if value == "n/a" else value
                yield [ALL, group, score, value, "", "", str(counts.n), "", ""]


def _rows(part: str, where: str, group: str, found: Found, facts: Facts) -> Iterator[list[str]]:
    for score, one in found.items():
        yield [part, *_row(where, group, score, one, facts)]


def _row(where: str, group: str, score: str, one: Estimate, facts: Facts) -> list[str]:
    patients = "" if one.n_patients is None else str(one.n_patients)
    whose = "" if one.low is None else one.independent
    return [where, group, score, *ends_of(one, facts.plan), str(one.n), patients, whose]
