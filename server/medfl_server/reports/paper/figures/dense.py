"""A segmentation's Dice by site as boxes, and a detection's FROC."""

from collections.abc import Iterator
from functools import partial

from medfl_common.metrics.box_counts import merge_boxes
from medfl_common.metrics.mask_counts import IN_TRUTH, merge_masks
from medfl_common.ui.page import Box, box_figure, line_figure
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.figures.drawing import Drawing, Lines, rows_of
from medfl_server.reports.scores import ALL, box_counts_in, mask_counts_in, part_of
from medfl_server.reports.sections.boxes import curve_of
from medfl_server.reports.sections.masks import bins_of, box_of

QUANTILES = ("low", "first", "middle", "third", "high", "mean")
DICE = (
    "Dice of {name} by image on the {part} part: median, middle half, 5 to 95 in 100 (whiskers), "
    "mean (point). From bins of hospitals' counts."
)
FROC = (
    "Sensitivity against false positives an image of {name} on the {part} part; in brackets: true "
    "boxes."
)


def dense_drawings(facts: Facts) -> Iterator[Drawing]:
    """Draw one figure a class, where a site shares counts of masks or boxes."""
    if facts.shown is None:
        return
    if facts.plan.task.has_masks:
        yield from _dice(facts)
    if facts.plan.task.has_boxes:
        yield from _froc(facts)


def _dice(facts: Facts) -> Iterator[Drawing]:
    assert facts.shown is not None
    counted, n_bins = mask_counts_in(facts.shown), bins_of(facts.shown)
    every = {**counted, ALL: merge_masks([*counted.values()])} if counted else {}
    for k, name in enumerate(facts.plan.task.foreground):
        boxes = {
            f"{site} (n = {one.cases[k, IN_TRUTH]})": box
            for site, one in every.items()
            if (box := box_of(one, k, n_bins)) is not None
        }
        if not boxes:
            continue
        caption = DICE.format(name=name, part=part_of(facts.shown))
        draw = partial(box_figure, boxes, f"Dice of {name}, image by image", (0.0, 1.0))
        rows = [[site, *_numbers(box)] for site, box in boxes.items()]
        yield Drawing(f"dice-{k + 1}", caption, draw, ["site", *QUANTILES], rows)


def _numbers(box: Box) -> list[str]:
    return [f"{getattr(box, name):.3g}" for name in QUANTILES]


def _froc(facts: Facts) -> Iterator[Drawing]:
    assert facts.shown is not None
    counted = box_counts_in(facts.shown)
    every = {**counted, ALL: merge_boxes([*counted.values()])} if counted else {}
    for k, name in enumerate(facts.plan.task.foreground):
        lines: Lines = {
            f"{site} ({one.truths[k]})": curve
            for site, one in every.items()
            if (curve := curve_of(one, k))[0]
        }
        if not lines:
            continue
        caption = FROC.format(name=name, part=part_of(facts.shown))
        draw = partial(
            line_figure, lines, "false positives an image", f"{name}: sensitivity", [*lines],
            [*lines][-1], (0, 1.02), False, True, True,
        )  # fmt: skip
        header = ["site", "false_positives", "sensitivity"]
        yield Drawing(f"froc-{k + 1}", caption, draw, header, rows_of(lines))
