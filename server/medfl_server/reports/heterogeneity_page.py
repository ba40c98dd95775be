"""The page that shows the coordinator whether the sites' data fit together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.metrics.site_statistics import (
    AGES,
    N_INTENSITY_BINS,
    PARTS,
    SEXES,
    SIDES,
    SLICES,
    SPACINGS,
    band_names,
)
from medfl_common.ui.page import Section, Table, line_plot, render
from medfl_server.reports.heterogeneity import (
    MAX_INTENSITY_DISTANCE,
    Statistics,
    differences,
    read_statistics,
)
from medfl_server.study.run_directory import Study

QUESTION = "Do the hospitals' data fit together?"


def write_harmony(study: Study) -> Path:
    """Write `harmony.html` into the run directory from the newest statistics in its log."""
    reported, missing = read_statistics(study) or ({}, {})
    remarks = differences(reported)
    sections = [
        _remarks(remarks, missing),
        *([_greys(reported), _tables(study, reported)] if reported else []),
    ]
    title = f"medfl data of the hospitals: {study.plan.study}"
    page = render(title, QUESTION, _answer(reported, remarks), sections, __version__)
    path = study.files.heterogeneity
    write_atomic(path, page.encode())
    return path


def _answer(reported: Statistics, remarks: Mapping[str, Sequence[str]]) -> str:
    different = [site for site, texts in remarks.items() if texts]
    if len(reported) < 2:
        return f"There is nothing to compare: {len(reported)} hospital reported statistics."
    if not different:
        return (
            f"As far as their counts show, yes: in none of {len(reported)} hospitals do the "
            f"intensities differ by {MAX_INTENSITY_DISTANCE:g} of the range, or the resolution by "
            "more than a band."
        )
    return f"Look at {', '.join(different)} before you train: {remarks[different[0]][0]}."


def _remarks(remarks: Mapping[str, Sequence[str]], missing: Mapping[str, str]) -> Section:
    rows = [[site, "; ".join(texts) or "nothing stands out"] for site, texts in remarks.items()]
    rows += [[site, f"no report: {reason}"] for site, reason in missing.items()]
    text = (
        "Each hospital beside a typical one of the others. A difference is no fault: the "
        "hospital's data manager can say whether another machine, another export or another group "
        "of patients is behind it."
    )
    return Section(
        "What stands out", [text], tables=[Table(["site", "remarks"], rows, is_text=True)]
    )


def _greys(reported: Statistics) -> Section:
    places = [(i + 0.5) / N_INTENSITY_BINS for i in range(N_INTENSITY_BINS)]
    lines = {site: (places, [n / PARTS * 100 for n in c.greys]) for site, c in reported.items()}
    image = line_plot(
        lines, "intensity as the network sees it, 0 black to 1 white", "pixels, %", [*reported],
    )  # fmt: skip
    text = (
        "All images of a hospital together, after rescale, window and inversion, without pure "
        "black and pure white (padding, and pixels outside the window)."
    )
    return Section("How bright the images are", [text], [image])


def _tables(study: Study, reported: Statistics) -> Section:
    tables = [
        _table("samples", reported, ["samples", "patients", "left out"],
               lambda c: [c.samples, c.patients, c.left_out]),
        _table("label", reported, study.plan.task.classes, lambda c: list(c.classes)),
        _table("longer side", reported, band_names(SIDES, "pixels"), lambda c: list(c.sides)),
        _table("between pixels", reported, band_names(SPACINGS, "mm"), lambda c: list(c.spacings)),
        _table("slice thickness", reported, band_names(SLICES, "mm"), lambda c: list(c.slices)),
        _table("age", reported, band_names(AGES, "years"), lambda c: list(c.ages)),
        _table("sex", reported, SEXES, lambda c: list(c.sexes)),
    ]  # fmt: skip
    text = "Counts of samples. A 0 may stand for a count below a hospital's smallest cell."
    return Section("In numbers", [text], tables=tables)


def _table(caption: str, reported: Statistics, names: Sequence[str], counts: Any) -> Table:
    """Lay out counts, without columns that are 0 everywhere."""
    rows = {site: counts(one) for site, one in reported.items()}
    shown = [i for i in range(len(names)) if any(row[i] for row in rows.values())]
    header = ["site", *(names[i] for i in shown)]
    cells = [[site, *(str(row[i]) for i in shown)] for site, row in rows.items()]
    return Table(header, cells, caption=caption)
