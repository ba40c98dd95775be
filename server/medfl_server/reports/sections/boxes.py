"""The scores of a detection: by site, as curves, with intervals, class by class."""

from collections.abc import Mapping

import numpy as np

from medfl_common.metrics.box_counts import (
    CENTRE,
    N_BOX_BINS,
    N_COARSE_BOX_BINS,
    POINTS,
    WITH,
    BoxCounts,
    merge_boxes,
)
from medfl_common.metrics.box_estimates import (
    AT_POINTS,
    box_estimates,
    box_scores,
    class_estimates,
    fewest_with,
    froc_curve,
)
from medfl_common.metrics.estimates import Estimate
from medfl_common.metrics.mask_estimates import of_cases
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked, RoundMade
from medfl_common.ui.page import Section, Table, line_plot
from medfl_server.reports.scores import ALL, box_counts_in
from medfl_server.reports.sections.numbers import case_number, interval_text

WORDS = dict(zip(AT_POINTS, ("1/8", "1/4", "1/2", "1", "2", "4", "8"), strict=True))
BOX_NAMES = {
    "froc": "FROC: mean sensitivity at the seven points below",
    "ap50": "AP at IoU 0.5",
    **{name: f"sensitivity at {word} false positives an image" for name, word in WORDS.items()},
}
COLUMNS = ("froc", "ap50", "at_1_8", "at_1", "at_8")
BOX_HEADER = ["site", "images scored", "FROC", "AP50", *(f"at {WORDS[c]}" for c in COLUMNS[2:])]
CLASS_HEADER = ["images with it", "true boxes", "FROC", "95 % interval", "AP50"]
CLASS_HEADER += [f"at {word}" for word in WORDS.values()]
FALSE_AXIS = (POINTS[0] / 2, POINTS[-1] * 2)  # false positives an image, of the curves


def box_rows(event: Asked, none_shared: str, no_answer: str) -> list[list[str]]:
    """List the scores of each site, the mean over the classes, and of all."""
    counted = box_counts_in(event)
    rows = []
    for site in [*event.sites, *event.missing]:
        blank = ["" for _ in COLUMNS]
        if site in counted:
            rows.append([site, *_cells(counted[site])])
        else:
            rows.append([site, none_shared if site in event.sites else no_answer, *blank])
    return [*rows, [ALL, *_cells(merge_boxes([*counted.values()]))]] if counted else rows


def box_details(event: Asked, plan: Plan) -> list[Section]:
    """Show curves, intervals and classes; nothing where no site shares scores."""
    counted = box_counts_in(event)
    if not counted:
        return []
    whole = merge_boxes([*counted.values()])
    return [
        curves_section(counted, whole, plan),
        sure_section(whole, isinstance(event, RoundMade)),
        classes_section(whole, plan),
        sites_section(counted, whole, plan),
    ]


def curves_section(counted: Mapping[str, BoxCounts], whole: BoxCounts, plan: Plan) -> Section:
    """Draw the FROC of each class, over all sites and at each."""
    pictures = []
    for k, name in enumerate(plan.task.foreground):
        lines = {
            f"{site} ({one.truths[k]})": curve
            for site, one in {**counted, ALL: whole}.items()
            if (curve := curve_of(one, k))[0]
        }
        if lines:
            pictures.append(
                line_plot(
                    lines, "false positives an image", f"{name}: sensitivity", [*lines],
                    bold=f"{ALL} ({whole.truths[k]})", y_range=(0, 1.02), marks=False,
                    log2_x=True,
                )
            )  # fmt: skip
    text = (
        "A true box is found where the centre of one that the model draws is within it; in a "
        "volume, within its ellipsoid. A further one there counts as nothing. In brackets: true "
        "boxes. A curve begins at 1/16 false positives an image, and ends at 16 or where the "
        "hospital's last bin does."
    )
    return Section("Found against false, site by site", [text], pictures)


def curve_of(counts: BoxCounts, k: int) -> tuple[list[float], list[float]]:
    """Give the FROC of a class as far as FALSE_AXIS shows it; empty where no image has it."""
    if not counts.truths[k]:
        return [], []
    false, sensitivity = froc_curve(
        counts.hits[k, CENTRE], counts.extra[k, CENTRE],
        int(counts.truths[k]), int(counts.images[k].sum()),
    )  # fmt: skip
    low, high = FALSE_AXIS
    end = float(false[-1].clip(low, high))
    inner = (false > low) & (false < end)
    left, right = np.interp([low, end], false, sensitivity).tolist()
    return [low, *false[inner].tolist(), end], [left, *sensitivity[inner].tolist(), right]


def sure_section(whole: BoxCounts, is_round: bool) -> Section:
    """List the scores over all sites with their intervals, and say what these take for granted."""
    n_bins = N_COARSE_BOX_BINS if is_round else N_BOX_BINS
    told = whole.effects[whole.truths > 0]
    whose = (
        "They count true boxes by how alike those of a patient are at their hospitals: patients "
        "are drawn anew there (bootstrap), and how much wider that makes the interval leaves."
        if told.size and (told > 0).all()
        else "They treat the true boxes of a class as independent where no hospital tells how "
        "alike those of a patient are: several in an image make them too narrow. The last scorings "
        "tell it where enough patients have boxes, none of them most."
    )
    texts = [
        f"The scores come from {n_bins} bins of the model's confidence, joined where a hospital "
        "has few images; an interval holds what that leaves open. Where a hospital's least sure "
        "boxes are of too few images they do not count, so there a score may look lower than it "
        f"is, or 0 where all are. {whose} The mean over the classes has the mean of their "
        "intervals.",
    ]
    return Section("How sure are these scores?", texts, tables=[box_table(whole)])


def box_table(whole: BoxCounts, of: str = ALL) -> Table:
    """List every score over some sites, the mean over the classes, with its 95 % interval."""
    found = box_estimates(whole)
    rows = [[title, *in_box_cells(found[name])] for name, title in BOX_NAMES.items()]
    n = int(whole.truths.sum())
    caption = f"{of}, n = {of_cases(whole.n, fewest_with(whole), 'images')}, {n} true boxes"
    return Table(["score", "value", "95 % interval"], rows, caption=caption)


def classes_section(whole: BoxCounts, plan: Plan) -> Section:
    """Score each class over all sites, at every point of the FROC."""
    rows = [[name, *_row(whole, k)] for k, name in enumerate(plan.task.foreground)]
    text = (
        "AP50: a true box is found where one that the model draws overlaps it by half (IoU 0.5), "
        "the surest first and each true box once; all points of the curve count (PASCAL VOC 2010). "
        "At 1/8 to 8: sensitivity at so many false positives an image (LUNA16). A class that fewer "
        "images have, or lack, than a site's smallest cell is not told there."
    )
    return Section("Class by class", [text], tables=[Table(["class", *CLASS_HEADER], rows)])


def sites_section(counted: Mapping[str, BoxCounts], whole: BoxCounts, plan: Plan) -> Section:
    """Score each class at each site, at every point of the FROC."""
    rows = [
        [name, site, *_row(counts, k)]
        for k, name in enumerate(plan.task.foreground)
        for site, counts in {**counted, ALL: whole}.items()
    ]
    return Section("Class by class at each site", tables=[
        Table(["class", "site", *CLASS_HEADER], rows)
    ])  # fmt: skip


def _row(counts: BoxCounts, k: int) -> list[str]:
    found = class_estimates(counts, k)
    points = [in_box_cells(found[point])[0] for point in ("ap50", *AT_POINTS)]
    n = [str(counts.images[k, WITH]), str(counts.truths[k])]
    return [*n, *in_box_cells(found["froc"]), *points]


def in_box_cells(estimate: Estimate) -> tuple[str, str]:
    """Write a value and its interval, with the digits that its true boxes allow."""
    value, low, high = (
        case_number(one, estimate.n) for one in (estimate.value, estimate.low, estimate.high)
    )
    return value, interval_text(estimate, low, high)


def froc_in_words(whole: BoxCounts) -> tuple[str, str]:
    """Give the FROC over sites and classes, and its interval in words."""
    value, interval = in_box_cells(box_estimates(whole)["froc"])
    return value, f"95 % interval {interval}"


def _cells(counts: BoxCounts) -> list[str]:
    found, n = box_scores(counts), fewest_with(counts)
    return [str(counts.n), *(case_number(found[name], n) for name in COLUMNS)]
