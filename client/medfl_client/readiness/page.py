"""`readiness.html`: the page for the data manager. It never leaves the site."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.config.site_file import DataFiles
from medfl_client.data.boxes.slices import most_boxed
from medfl_client.data.ingest import Collection
from medfl_client.data.reasons import count_faults, file_rows
from medfl_client.readiness.about import about_section
from medfl_client.readiness.assess import Readiness
from medfl_client.readiness.boxes import box_section
from medfl_client.readiness.checks import UNLABELLED, mixed_patients
from medfl_client.readiness.flow import flow_tables
from medfl_client.readiness.masks import mask_section
from medfl_common import __version__
from medfl_common.files import write_private
from medfl_common.metrics.site_statistics import (
    AGES,
    N_INTENSITY_BINS,
    PARTS,
    SEXES,
    SIDES,
    SLICES,
    SPACINGS,
    SiteStatistics,
    band_names,
    intensity_histogram,
)
from medfl_common.ops.checks import State, worst
from medfl_common.plan.plan import Plan
from medfl_common.ui.overlay import boxed, fullest, legend, outlined
from medfl_common.ui.page import Section, Table, image_grid, line_plot, render

QUESTION = "Is our data ready?"
N_TILES = 48  # images on the sheet
SIDE = 192  # pixels of an image with outlines, at least
N_FILES = 500  # rows of a list of files; left-out.csv has all of them
N_VALUES = 15  # rows of a count
N_LINES = 6  # manufacturers in the image of intensities
LONGEST = 18  # letters of a name there
MARK: dict[State, str] = {"ok": "ok", "not checked": "ok", "warn": "look", "fail": "stops"}


def write_readiness(readiness: Readiness, site: str, path: Path, data: DataFiles) -> None:
    """Write the page; only its owner may read the file."""
    found = readiness.collection
    sections = [_findings(readiness), _numbers(readiness)]
    if readiness.masks is not None:
        sections.append(mask_section(readiness.masks))
    if readiness.boxes is not None:
        sections.append(box_section(readiness.boxes))
    if found is not None:
        sections += [_sheet(found, readiness), _greys(found)]
    sections.append(_counts(readiness))
    if found is not None:
        sections.append(_doubles(found))
    sections.append(_left_out(readiness.refused))
    sections += [about_section(readiness, data), _shareable(readiness), _limits(readiness)]
    title = f"medfl readiness of {site}" + (
        "" if readiness.is_survey else f" for the study {readiness.plan.study}"
    )
    page = render(title, QUESTION, answer(readiness), sections, __version__)
    write_private(path, page.encode())


def answer(readiness: Readiness) -> str:
    """Answer the page's question in one sentence."""
    n_patients = len(set(readiness.collection.patients)) if readiness.collection else 0
    n_left_out = count_faults(readiness.refused)
    n_others = len(readiness.refused) - n_left_out
    others = f", {n_others:,} more are copies, links or no images" if n_others else ""
    counted = (
        f"{len(readiness.used):,} samples of {'at least ' * bool(readiness.n_not_decoded)}"
        f"{n_patients:,} patients are usable, {n_left_out:,} files are left out{others}"
    )
    state = worst(readiness.findings)
    first = next((f.seen for f in readiness.findings if f.state == state), "")
    if readiness.verdict == "block":
        return f"No: {first}. Nothing has left this site."
    if readiness.verdict == "warn":
        return f"Almost: {counted}. Look at this: {first}. Nothing has left this site."
    return f"Yes: {counted}. Nothing has left this site."


def _findings(readiness: Readiness) -> Section:
    rows = [[MARK[f.state], f.seen, f.todo] for f in readiness.findings]
    table = Table(["", "what was found", "what to do"], rows, is_text=True)
    return Section("What was checked", tables=[table])


def _numbers(readiness: Readiness) -> Section:
    rows = file_rows(readiness.files["used"], readiness.refused)
    tables = [Table(["files", "what became of them"], rows, is_text=True)]
    if UNLABELLED not in readiness.labels:
        rows = [[name, f"{n:,}"] for name, n in readiness.labels.items()]
        tables.append(Table(["label", "samples"], rows))
    if readiness.data is not None and not readiness.is_survey:
        data = readiness.data
        rows = [
            ["to train on", f"{len(data.train):,}"],
            ["to validate on", f"{len(data.validation):,}"],
            ["to test on", f"{len(data.test):,}"],
        ]
        tables.append(Table(["split by patient", "samples"], rows))
    return Section("In numbers", tables=tables)


def _sheet(found: Collection, readiness: Readiness) -> Section:
    """Show images of every class as the network gets them, and the middle slice of a volume."""
    by_class: dict[int, list[int]] = defaultdict(list)
    for position, sample in enumerate(found.samples):
        by_class[sample.label].append(position)
    each = max(1, N_TILES // len(by_class))
    tiles = []
    for label, positions in sorted(by_class.items()):
        step = -(-len(positions) // each)
        for position in positions[::step]:
            caption = _caption(readiness, label, found, position)
            tiles.append((_tile(found, position, readiness.plan), caption))
    text = (
        "After rescale, window, inversion and resampling: a fault here is a fault for the "
        "network. Look for text in an image, inverted images, and images of something else."
    )
    if found.masks is not None:
        text += (
            f" The contours are its masks: {legend(readiness.plan.task.foreground)}; white: "
            "unknown. Of a volume the slice with the largest area is shown."
        )
    if found.boxes is not None:
        text += (
            f" Its boxes are drawn: {legend(readiness.plan.task.foreground)}. Of a volume the "
            "slice with the most boxes is shown."
        )
    return Section("What the network will really see", [text], sheet=image_grid(tiles))


def _caption(readiness: Readiness, label: int, found: Collection, position: int) -> str:
    if UNLABELLED in readiness.labels:
        return found.samples[position].row.modality
    names = readiness.plan.task.classes
    if readiness.plan.task.type in ("multilabel", "detection"):
        names = ["none known", *names]
    return names[label]


def _tile(found: Collection, position: int, plan: Plan) -> NDArray[np.uint8]:
    """Give one image as (S, S) or (S, S, 3) of 8 bits; of a volume a slice; with its outlines."""
    record = found.pixels[found.rows[position]]
    if found.boxes is not None:
        place, own = most_boxed(found.boxes[position], record.shape[1:])
        return boxed(_picture(record, place), own, SIDE)
    if found.masks is None:
        return _picture(record, record.shape[1] // 2)
    labels = np.asarray(found.masks.labels[found.masks.rows[position]], np.uint8)
    if labels.ndim == 2:
        return outlined(_picture(record, 0), labels, plan.task.foreground, SIDE)
    place = fullest(labels, plan.task.foreground)
    return outlined(_picture(record, place), labels[place], plan.task.foreground, SIDE)


def _picture(record: NDArray[np.generic], place: int) -> NDArray[np.uint8]:
    """Turn one record of a cache, (1 or 3, [D,] S, S), into (S, S) or (S, S, 3) of 8 bits."""
    array = np.asarray(record)
    if array.ndim == 4:
        array = array[:, place]
    if array.dtype == np.uint16:
        array = array >> 8
    shown = array[0] if len(array) == 1 else np.moveaxis(array, 0, -1)
    return np.ascontiguousarray(shown, dtype=np.uint8)


def _greys(found: Collection) -> Section:
    """Draw the intensity histogram of each manufacturer's images."""
    by_maker: dict[str, list[int]] = defaultdict(list)
    for row, sample in zip(found.rows, found.samples, strict=True):
        by_maker[sample.row.manufacturer or "manufacturer unknown"].append(int(row))
    largest = sorted(by_maker, key=lambda name: -len(by_maker[name]))[:N_LINES]
    places = [(i + 0.5) / N_INTENSITY_BINS for i in range(N_INTENSITY_BINS)]
    lines = {}
    for name in largest:
        step = -(-len(by_maker[name]) // 500)
        greys = intensity_histogram(found.pixels[row] for row in by_maker[name][::step])
        shown = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
        lines[f"{shown} ({len(by_maker[name])})"] = (places, [n / PARTS * 100 for n in greys])
    image = line_plot(
        lines, "intensity as the network sees it, 0 black to 1 white", "pixels, %", [*lines]
    )
    text = (
        "All images of a manufacturer together, without pure black and pure white. Distant "
        "lines say that one machine's images look different to the network."
    )
    return Section("How bright the images are", [text], [image])


def _counts(readiness: Readiness) -> Section:
    tables = []
    for fact, counts in readiness.counts.items():
        rows = [[value, f"{n:,}"] for value, n in [*counts.items()][:N_VALUES]]
        if len(counts) > N_VALUES:
            rest = sum([*counts.values()][N_VALUES:])
            rows.append([f"{len(counts) - N_VALUES} others", f"{rest:,}"])
        tables.append(Table([fact, "samples"], rows))
    return Section("What the headers say", tables=tables)


def _doubles(found: Collection) -> Section:
    rows = [[name, twin] for name, twin in sorted(found.twins.items())[:N_FILES]]
    tables = [Table(["left out", "has the pixels of"], rows, is_text=True)] if rows else []
    mixed = [["; ".join(names)] for names in mixed_patients(found)[:N_FILES]]
    if mixed:
        tables.append(Table(["samples of one patient, of several classes"], mixed, is_text=True))
    texts = [] if tables else ["There is no duplicate image, and no patient has two classes."]
    return Section("Equal images, and patients of two classes", texts, tables=tables)


def _left_out(refused: dict[str, str]) -> Section:
    rows = [[name, reason] for name, reason in sorted(refused.items())[:N_FILES]]
    texts = [] if rows else ["medfl uses every file."]
    if len(refused) > N_FILES:
        texts = [f"The first {N_FILES} of {len(refused):,}; all are in state/left-out.csv."]
    tables = [Table(["file", "reason"], rows, is_text=True)] if rows else []
    return Section("Files that are left out", texts, tables=tables)


def _shareable(readiness: Readiness) -> Section:
    counts = readiness.shareable
    text = (
        "If a plan asks for statistics and the policy allows them, the site reports this and "
        "nothing else to the coordinator, once, before the first round. Counts below "
        "policy.min_cell become "
        "0, and so does one more if the total would reveal them. "
        "The report includes the histogram of intensities."
    )
    tables = _share_tables(counts, readiness.plan.task.classes) if counts else []
    tables += flow_tables(readiness.flow, readiness.plan) if readiness.flow else []
    return Section("What the site may report to a coordinator", [text], tables=tables)


def _share_tables(counts: SiteStatistics, classes: Sequence[str]) -> list[Table]:
    singles = ["samples", "patients", "left out"]
    listed = {
        "all": (singles, [counts.samples, counts.patients, counts.left_out]),
        "label": (classes, counts.classes),
        "longer side": (band_names(SIDES, "pixels"), counts.sides),
        "between pixels": (band_names(SPACINGS, "mm"), counts.spacings),
        "slice thickness": (band_names(SLICES, "mm"), counts.slices),
        "age": (band_names(AGES, "years"), counts.ages),
        "sex": (SEXES, counts.sexes),
    }
    return [
        Table([what, "count"], [[n, f"{v:,}"] for n, v in zip(names, values, strict=True) if v])
        for what, (names, values) in listed.items()
    ]


def _limits(readiness: Readiness) -> Section:
    texts = ["This page holds file names and images of patients: protect it like the images."]
    if readiness.n_not_decoded:
        texts.append(
            f"{readiness.n_not_decoded:,} of {len(readiness.used):,} samples are not decoded. "
            "The page cannot show which of them are damaged or duplicate; --all decodes every one."
        )
    if readiness.is_survey:
        texts.append(
            "There was no plan: the page shows the images by their own window. With --plan it "
            "says what that study needs and this site lacks."
        )
    return Section("What this page does not say", texts)
