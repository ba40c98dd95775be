"""The result at hospitals that did not train it: external validation, apart from other scores."""

from collections.abc import Mapping, Sequence

from medfl_common.metrics.box_counts import merge_boxes
from medfl_common.metrics.counts import merge
from medfl_common.metrics.estimates import auc_estimate
from medfl_common.metrics.mask_counts import merge_masks
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked, Event, Finished, ScoredOutside
from medfl_common.ui.page import Section, Table
from medfl_server.reports.scores import (
    ALL,
    box_counts_in,
    mask_counts_in,
    model_round,
    once_each,
    score_counts_in,
)
from medfl_server.reports.sections.boxes import box_table
from medfl_server.reports.sections.independence import whose_images
from medfl_server.reports.sections.masks import mask_table
from medfl_server.reports.sections.numbers import with_interval
from medfl_server.reports.sections.result import NO_ANSWER, NONE_SHARED, header_of, score_rows
from medfl_server.reports.sections.uncertainty import score_table

HEADING = "At hospitals outside the study"


def outside_section(
    events: Sequence[Event], plan: Plan, names: Mapping[str, str] | None = None
) -> list[Section]:
    """Show what outside hospitals score, the final model's last; nothing where there are none.

    Args:
        events: The run log's.
        plan: The study's.
        names: What to call the sites; None: their names.
    """
    scored = [event for event in events if isinstance(event, ScoredOutside)]
    if not scored:
        return []
    finished = [event for event in events if isinstance(event, Finished)]
    final = once_each(events, ScoredOutside, finished[-1]) if finished else None
    shown = final or scored[-1]
    counted = score_counts_in(shown)
    if plan.task.is_dense:
        return [_dense(shown, plan, names or {})]
    rows = []
    for site in [*shown.sites, *shown.missing]:
        one = counted.get(site)
        name = (names or {}).get(site, site)
        if one is None:
            rows.append([name, "0", NONE_SHARED if site in shown.sites else NO_ANSWER, ""])
        else:
            rows.append([name, str(one.n), *with_interval(auc_estimate(one, plan.task.type))])
    tables = [Table(["hospital", "images", "AUC", "95 % interval"], rows)]
    if counted:
        tables.append(score_table(merge([*counted.values()]), plan, "all outside hospitals"))
    if len(scored) > 1:
        tables.append(_rounds(scored, plan))
    text = (
        f"The model of round {model_round(shown)} on all patients of hospitals that trained "
        "nothing of it, and chose nothing."
    )
    texts = [text, whose_images(counted)] if counted else [text]
    return [Section(HEADING, texts, tables=tables)]


def _dense(shown: Asked, plan: Plan, names: Mapping[str, str]) -> Section:
    """Show the same of masks or boxes."""
    rows = [[names.get(row[0], row[0]), *row[1:]] for row in score_rows(shown, plan)]
    tables, of = [Table(header_of(plan), rows, total=ALL)], "all outside hospitals"
    if masks := mask_counts_in(shown):
        tables.append(mask_table(merge_masks([*masks.values()]), plan, of))
    if boxes := box_counts_in(shown):
        tables.append(box_table(merge_boxes([*boxes.values()]), of))
    text = (
        f"The model of round {model_round(shown)} on all patients of hospitals that trained "
        "nothing of it, and chose nothing."
    )
    return Section(HEADING, [text], tables=tables)


def _rounds(scored: Sequence[ScoredOutside], plan: Plan) -> Table:
    rows = []
    for event in scored:
        counted = score_counts_in(event)
        if counted:
            whole = merge([*counted.values()])
            area = with_interval(auc_estimate(whole, plan.task.type))
            rows.append([str(model_round(event)), str(whole.n), *area])
    return Table(["model of round", "images", "AUC", "95 % interval"], rows, caption="by round")
