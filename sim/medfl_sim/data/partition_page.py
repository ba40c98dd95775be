"""partition.html: each hospital's images and classes, drawn before training starts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.task.site import Site
from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.plan.plan import Plan
from medfl_common.plan.task import Task
from medfl_common.run.events import DataRead
from medfl_common.run.folder import RunFolder
from medfl_common.ui.page import COLOURS, Section, Table, as_svg, render
from medfl_common.ui.spreadsheet import csv_text
from medfl_server.reports.sections.data import data_section

NAMED = 60  # up to this many sites the plot shows names, above it numbers


def write_partition(
    folder: Path, sites: Mapping[str, Site], plan: Plan, read: DataRead | None = None
) -> Path:
    """Write partition.html and partition.csv; return the page's path.

    Args:
        folder: Where they go.
        sites: The virtual hospitals.
        plan: Names the classes.
        read: What was read and what left out, for the page.
    """
    names, patients, samples, counts = [], [], [], []
    for name, site in sites.items():
        data = site.data(plan)
        reported = data.describe() if data.describe is not None else None
        if reported is not None:
            names.append(name)
            patients.append(reported.patients)
            samples.append(reported.samples)
            counts.append(reported.classes)
    files = RunFolder(folder)
    classes, table = plan.task.classes, np.array(counts, dtype=np.int64)
    header = ["site", "patients", "images", *classes]
    rows = [
        [name, str(n), str(m), *map(str, own)]
        for name, n, m, own in zip(names, patients, samples, table.tolist(), strict=True)
    ]
    write_atomic(files.partition_table, csv_text([header, *rows]).encode())
    wholes = np.array(samples) if plan.task.has_boxes else table.sum(axis=1)
    pictures = [_classes(names, classes, table, wholes), _sizes(names, samples)]
    sections = [
        Section("Which site has what", _explain(plan), pictures),
        Section("In numbers", tables=[Table(header, rows)]),
        *([data_section(read)] if read is not None else []),
    ]
    page = render(
        f"medfl partition: {plan.study}",
        "How are the data partitioned?",
        answer(samples, sum(patients), plan.task, table),
        sections,
        __version__,
    )
    write_atomic(files.partition_page, page.encode())
    return files.partition_page


def answer(samples: Sequence[int], n_patients: int, task: Task, counts: NDArray[np.int64]) -> str:
    """Say in two sentences how large the sites are, and how much their classes differ."""
    classes, wholes = task.classes, counts.sum(axis=1)
    if task.has_masks:  # every image has the background
        classes, wholes, counts = task.foreground, np.array(samples), counts[:, 1:]
    elif task.has_boxes:  # an image may have a box of each class, or none
        wholes = np.array(samples)
    shares = counts / np.maximum(wholes[:, None], 1)
    widest = int(np.ptp(shares, axis=0).argmax())
    low, high = shares[:, widest].min(), shares[:, widest].max()
    has = "1 hospital has" if len(samples) == 1 else f"{len(samples)} hospitals have"
    return (
        f"{has} {sum(samples)} images of {n_patients} patients, from "
        f"{min(samples)} to {max(samples)} each (median {np.median(samples):g}). "
        f"The share of {classes[widest]!r} ranges from {low:.0%} to {high:.0%}."
    )


def _explain(plan: Plan) -> list[str]:
    texts = ["All images of a patient are at one site. Darker: a larger share of a site's images."]
    if plan.task.has_several:
        what = "findings" if plan.task.type == "multilabel" else "classes"
        texts.append(f"An image with several {what} counts for each.")
    return texts


def _classes(
    names: Sequence[str],
    classes: Sequence[str],
    counts: NDArray[np.int64],
    wholes: NDArray[np.int64],
) -> str:
    """Draw sites x classes as a map of their shares in each site's whole, with the counts."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    shares = counts / np.maximum(wholes[:, None], 1)
    is_named = len(names) <= NAMED
    height = 1.6 + (0.26 * len(names) if is_named else 5.0)
    with rc_context({"svg.fonttype": "none", "text.parse_math": False, "font.size": 10}):
        figure = Figure(figsize=(min(7.0, 2.6 + 0.7 * len(classes)), height), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.set_xticks(range(len(classes)), classes, rotation=30, ha="right")
        axes.set_xlabel("class")
        if is_named:
            axes.set_yticks(range(len(names)), names)
        else:
            axes.set_ylabel("site")
        for (row, column), share in np.ndenumerate(shares) if is_named else ():
            colour = "white" if share > 0.55 else "#1b2733"
            text = str(counts[row, column])
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
        return as_svg(figure)


def _sizes(names: Sequence[str], samples: Sequence[int]) -> str:
    """Draw each site's number of images; sort many sites by size."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    is_named = len(names) <= NAMED
    with rc_context({"svg.fonttype": "none", "text.parse_math": False, "font.size": 10}):
        if is_named:
            figure = Figure(figsize=(5.6, 1.2 + 0.26 * len(names)), layout="constrained")
            axes = figure.add_subplot()
            axes.barh(range(len(names)), samples, color=COLOURS[0])
            axes.set_yticks(range(len(names)), names)
            axes.invert_yaxis()
            axes.set_xlabel("images")
        else:
            figure = Figure(figsize=(5.6, 3.6), layout="constrained")
            axes = figure.add_subplot()
            axes.plot(sorted(samples, reverse=True), color=COLOURS[0])
            axes.set_xlabel("sites, sorted by size")
            axes.set_ylabel("images")
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        return as_svg(figure)
