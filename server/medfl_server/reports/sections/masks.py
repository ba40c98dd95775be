"""The scores of a segmentation: by site, as distributions, with intervals, class by class."""

from collections.abc import Mapping

import numpy as np

from medfl_common.metrics.clusters import FEWEST_PATIENTS
from medfl_common.metrics.enough import FEWEST_OF_A_CLASS, case_digits
from medfl_common.metrics.estimates import Estimate
from medfl_common.metrics.mask_counts import (
    ABSENT,
    FALSE_ALARM,
    IN_TRUTH,
    N_CASE_BINS,
    N_COARSE_CASE_BINS,
    MaskCounts,
    merge_masks,
)
from medfl_common.metrics.mask_estimates import (
    IN_MM,
    class_estimates,
    fewest_cases,
    mask_estimates,
    mask_scores,
    middles_of_shares,
    of_cases,
    tells_median,
)
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked, RoundMade
from medfl_common.ui.page import Box, Section, Table, box_plot
from medfl_server.reports.scores import ALL, mask_counts_in
from medfl_server.reports.sections.independence import PER_IMAGE
from medfl_server.reports.sections.numbers import case_number, interval_text

NAMES = {
    "dice": "Dice, mean",
    "median_dice": "Dice, median",
    "nsd": "surface Dice (NSD), mean",
    "hd95": "HD95, geometric mean, {unit}",
    "median_hd95": "HD95, median, {unit}",
    "volume": "volume difference, median",
    "voxel_dice": "Dice of all voxels together",
    "lesion_sensitivity": "lesions found",
    "lesion_f1": "lesions, F1",
    "false_alarms": "images without it in which it is seen",
}
COLUMNS = ("dice", "median_dice", "nsd", "median_hd95", "lesion_f1")
HEADER = ["site", "images scored", "Dice", "median Dice", "NSD", "median HD95", "lesion F1"]
QUARTERS = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the cases, in a box


def mask_rows(event: Asked, none_shared: str, no_answer: str) -> list[list[str]]:
    """List the scores of each site, the mean over the classes, and of all."""
    counted, n_bins = mask_counts_in(event), bins_of(event)
    rows = []
    for site in [*event.sites, *event.missing]:
        blank = ["" for _ in COLUMNS]
        if site in counted:
            rows.append([site, *_cells(counted[site], n_bins)])
        else:
            rows.append([site, none_shared if site in event.sites else no_answer, *blank])
    return [*rows, [ALL, *_cells(merge_masks([*counted.values()]), n_bins)]] if counted else rows


def mask_details(event: Asked, plan: Plan) -> list[Section]:
    """Show distributions, intervals and classes; nothing where no site shares scores."""
    counted = mask_counts_in(event)
    if not counted:
        return []
    whole, n_bins = merge_masks([*counted.values()]), bins_of(event)
    sections = [spread_section(counted, whole, plan, n_bins), sure_section(whole, plan, n_bins)]
    return [*sections, classes_section(whole, plan, n_bins)]


def bins_of(event: Asked) -> int:
    """Count the bins of the histograms that sites send for an event."""
    return N_COARSE_CASE_BINS if isinstance(event, RoundMade) else N_CASE_BINS


def spread_section(
    counted: Mapping[str, MaskCounts], whole: MaskCounts, plan: Plan, n_bins: int
) -> Section:
    """Draw the cases' Dice as boxes, for each class over all sites and at each."""
    pictures = []
    for k, name in enumerate(plan.task.foreground):
        found = {**counted, ALL: whole}
        boxes = {
            f"{site} (n = {one.cases[k, IN_TRUTH]})": box
            for site, one in found.items()
            if (box := box_of(one, k, n_bins)) is not None
        }
        if boxes:
            pictures.append(box_plot(boxes, f"Dice of {name}, image by image", (0.0, 1.0)))
    text = (
        "Of each site's images in which the class is: the line is the median, the box the middle "
        "half, the whiskers 5 to 95 in 100, the point the mean. They come from bins, none of fewer "
        "images than the hospital's smallest cell; too few such bins have no box."
    )
    return Section("Dice, site by site", [text], pictures)


def box_of(counts: MaskCounts, k: int, n_bins: int = N_CASE_BINS) -> Box | None:
    """Give the quantiles of a class's Dice from its bins, and the mean; None of too few bins."""
    n = int(counts.cases[k, IN_TRUTH])
    if not n or not tells_median(counts, k, "dice", n_bins):
        return None
    total = np.cumsum(counts.dice[k])
    places = [int(np.searchsorted(total, max(share * n, 0.5))) for share in QUARTERS]
    low, first, middle, third, high = (float(middles_of_shares()[place]) for place in places)
    return Box(low, first, middle, third, high, float(counts.sums[k, 0]) / n)


def sure_section(whole: MaskCounts, plan: Plan, n_bins: int) -> Section:
    """List the scores over all sites with their intervals, and say what these take for granted."""
    texts = [
        "The means are exact to a thousandth, or to a bin where all but few images are alike; "
        "their intervals are Student's, by the deviation of the images. Medians come from "
        f"{n_bins} bins, joined where a hospital has few images, and their intervals from images "
        "drawn anew from these (bootstrap); too few such bins have no median. Lesions: Wilson. "
        f"{whose_cases(whole)} The mean over the classes has the mean of their intervals, wide "
        "enough for images that are hard in all.",
    ]
    return Section(
        "How sure are these scores?", texts, tables=[mask_table(whole, plan, n_bins=n_bins)]
    )


def whose_cases(whole: MaskCounts) -> str:
    """Say whether the intervals count patients or images."""
    if whole.effects is None:
        return PER_IMAGE
    return (
        "They count patients, not images: what a patient's images do to a score is added up first, "
        "so its variance grows by its design effect (Rao and Scott 1992), which hospitals round "
        f"up. From several images of fewer than {FEWEST_PATIENTS} patients there is no interval."
    )


def mask_table(whole: MaskCounts, plan: Plan, of: str = ALL, n_bins: int = N_CASE_BINS) -> Table:
    """List every score over some sites, the mean over the classes, with its 95 % interval."""
    found = mask_estimates(whole, n_bins)
    rows = [
        [title.format(unit=plan.images.distance_unit), *in_cells(name, found[name])]
        for name, title in NAMES.items()
    ]
    caption = f"{of}, n = {of_cases(whole.n, fewest_cases(whole), 'images')}"
    return Table(["score", "value", "95 % interval"], rows, caption=caption)


def classes_section(whole: MaskCounts, plan: Plan, n_bins: int) -> Section:
    """Score each class over all sites, and say how often the model sees it where it is not."""
    header = ["class", "images with it", "Dice", "95 % interval", "NSD", "median HD95"]
    header += ["lesions found", "seen without"]
    rows = []
    for k, name in enumerate(plan.task.foreground):
        found = class_estimates(whole, k, n_bins)
        cells = [in_cells(n, found[n])[0] for n in ("nsd", "median_hd95", "lesion_sensitivity")]
        n, absent, false = (int(whole.cases[k, i]) for i in (IN_TRUTH, ABSENT, FALSE_ALARM))
        alarms = f"{false} of {absent}" if absent else "n/a"
        rows.append([name, str(n), *in_cells("dice", found["dice"]), *cells, alarms])
    near = f"{plan.evaluation.surface_mm:g} {plan.images.distance_unit}"
    text = (
        f"NSD: the part of both surfaces that is within {near} of the other. "
        "HD95: 95 in 100 points of each surface are nearer to the other; inf where the model "
        "sees nothing in half of the images. A lesion is found if it overlaps by a tenth (IoU). "
        f"A class that fewer images have, or lack, than a site's smallest cell is not told there; "
        f"a figure of fewer than {FEWEST_OF_A_CLASS} images has one digit."
    )
    return Section("Class by class", [text], tables=[Table(header, rows)])


def in_cells(name: str, estimate: Estimate) -> tuple[str, str]:
    """Write a value and its interval."""
    value, low, high = (
        _written(name, one, estimate.n) for one in (estimate.value, estimate.low, estimate.high)
    )
    return value, interval_text(estimate, low, high)


def dice_in_words(whole: MaskCounts) -> tuple[str, str]:
    """Give the mean Dice over sites and classes, and its interval in words."""
    found = mask_estimates(whole)["dice"]
    value, interval = in_cells("dice", found)
    return value, interval if found.independent == "too few" else f"95 % interval {interval}"


def _cells(counts: MaskCounts, n_bins: int) -> list[str]:
    found = mask_scores(counts, n_bins)
    n_with = fewest_cases(counts)
    return [str(counts.n), *(_written(name, found[name], n_with) for name in COLUMNS)]


def _written(name: str, value: float | None, n: int) -> str:
    if value is None:
        return "n/a"
    return f"{value:.{1 if case_digits(n) > 1 else 0}f}" if name in IN_MM else case_number(value, n)
