"""The page that shows the coordinator whether the sites' data fit together."""

from collections.abc import Mapping, Sequence
from pathlib import Path

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
    NOT_TOLD,
    Statistics,
    differences,
    kept_back,
    read_statistics,
    told_counts,
)
from medfl_server.study.run_directory import Study

Hidden = Mapping[str, Sequence[str]]  # site -> what it keeps back
QUESTION = "Do the hospitals' data fit together?"


def write_harmony(study: Study) -> Path:
    """Write `harmony.html` into the run directory from the newest statistics in its log."""
    reported, missing = read_statistics(study) or ({}, {})
    remarks = differences(reported)
    hidden = {site: kept_back(own, study.plan.task) for site, own in reported.items()}
    sections = [
        _remarks(hidden, remarks, missing),
        *([_greys(reported), _tables(study, reported)] if reported else []),
    ]
    title = f"medfl data of the hospitals: {study.plan.study}"
    page = render(title, QUESTION, _answer(hidden, remarks, missing), sections, __version__)
    path = study.files.heterogeneity
    write_atomic(path, page.encode())
    return path


def _answer(
    kept_back: Hidden, remarks: Mapping[str, Sequence[str]], missing: Mapping[str, str]
) -> str:
    different = [site for site, texts in remarks.items() if texts]
    hidden = [site for site, words in kept_back.items() if words]
    silent = [f"{', '.join(missing)} reported nothing"] * bool(missing)
    silent += [f"{', '.join(hidden)} told too little to compare"] * bool(hidden)
    rest = f" {'; '.join(silent)}." if silent else ""
    n = len(kept_back) - len(hidden)
    if different:
        return f"Look at {', '.join(different)} before you train: {remarks[different[0]][0]}.{rest}"
    if n < 2:
        return f"Nobody can say: {n} of {_n_sites(kept_back, missing)} hospitals told enough.{rest}"
    whom = f"the {n} hospitals" if not silent else f"the {n} hospitals that told enough"
    return (
        f"As far as counts show, {'yes' if not silent else 'those that told do'}: between {whom} "
        f"the intensities differ by less than {MAX_INTENSITY_DISTANCE:g} of the range, and the "
        f"resolution by no more than a band.{rest}"
    )


def _n_sites(reported: Hidden, missing: Mapping[str, str]) -> int:
    """Count the hospitals that were asked."""
    return len({*reported, *missing})


def _remarks(
    kept_back: Hidden, remarks: Mapping[str, Sequence[str]], missing: Mapping[str, str]
) -> Section:
    rows = []
    for site, texts in remarks.items():
        hidden = kept_back[site]
        said = [*texts, *[f"not told, so not compared: {', '.join(hidden)}"] * bool(hidden)]
        rows.append([site, "; ".join(said) or "nothing stands out"])
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
    lines = {
        site: (places, [n / PARTS * 100 for n in c.greys])
        for site, c in reported.items()
        if any(c.greys)
    }
    image = line_plot(
        lines, "intensity as the network sees it, 0 black to 1 white", "pixels, %", [*reported],
    )  # fmt: skip
    text = (
        "All images of a hospital together, after rescale, window and inversion, without pure "
        "black and pure white (padding, and pixels outside the window)."
    )
    return Section("How bright the images are", [text], [image])


def _tables(study: Study, reported: Statistics) -> Section:
    task = study.plan.task
    tables = [
        _singles(reported),
        _table("label", reported, task.classes, "classes", overlaps=task.has_several),
        _table("longer side", reported, band_names(SIDES, "pixels"), "sides"),
        _table("between pixels", reported, band_names(SPACINGS, "mm"), "spacings"),
        _table("slice thickness", reported, band_names(SLICES, "mm"), "slices"),
        _table("age", reported, band_names(AGES, "years"), "ages"),
        _table("sex", reported, SEXES, "sexes"),
    ]
    text = (
        f"Counts of samples. '{NOT_TOLD}' means none, or fewer than the hospital's smallest cell, "
        "or withheld because it would tell another such count."
    )
    return Section("In numbers", [text], tables=tables)


def _singles(reported: Statistics) -> Table:
    """Lay out samples, patients and left-out files; of these few are not told."""
    rows = [
        [site, str(c.samples), str(c.patients) if c.patients else NOT_TOLD,
         str(c.left_out) if c.left_out else NOT_TOLD]
        for site, c in reported.items()
    ]  # fmt: skip
    return Table(["site", "samples", "patients", "left-out files"], rows, caption="samples")


def _table(
    caption: str, reported: Statistics, names: Sequence[str], of: str, overlaps: bool = False
) -> Table:
    """Lay out counts, without columns that nobody told.

    A 0 is one only where the counts add up to all samples; with overlapping labels it never shows.
    """
    rows = {site: getattr(one, of) for site, one in reported.items()}
    shown = [i for i in range(len(names)) if any(row[i] for row in rows.values())]
    cells = []
    for site, row in rows.items():
        texts = told_counts(row, reported[site].samples, overlaps)
        cells.append([site, *(texts[i] for i in shown)])
    header = ["site", *(names[i] for i in shown)]
    if not shown:
        header, cells = ["site", "counts"], [[site, NOT_TOLD] for site in reported]
    return Table(header, cells, caption=caption)
