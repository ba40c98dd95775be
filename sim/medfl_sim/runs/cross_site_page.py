"""cross-site.html: every model at every hospital, as a heat map whose cells hold the numbers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.metrics.estimates import Estimate
from medfl_common.ui.page import Section, Table, render
from medfl_server.reports.sections.independence import BY_PATIENT
from medfl_server.reports.sections.numbers import number, with_interval
from medfl_server.study.run_directory import Study
from medfl_sim.runs.cross_site import Matrix, ModelRow

CHANCE = 0.5  # the AUC of the palest cell


def write_cross_site(study: Study, found: Matrix) -> Path:
    """Write the page into the run directory."""
    page = render(
        f"medfl cross site: {study.plan.study}",
        "How does each model do at each hospital?",
        answer(found),
        [_matrix(found), _how(study, found)],
        __version__,
    )
    path = study.files.cross_site_page
    write_atomic(path, page.encode())
    return path


def answer(found: Matrix) -> str:
    """Say in a sentence how the hospitals' models do at home and elsewhere, and the joint ones."""
    alone = [row for row in found.rows if row.kind == "alone"]
    home = _mean([row.auc[row.trained_at].value for row in alone])
    elsewhere = _mean([row.mean for row in alone])
    joint = {row.kind: row for row in found.rows if row.kind != "alone"}
    n = _images(found)
    return (
        f"On {found.part} images a hospital's own model has a mean AUC of {number(home, n)} at "
        f"home and {number(elsewhere, n)} at the other hospitals; the federated model has "
        f"{number(joint['federated'].mean, n)} and the pooled one "
        f"{number(joint['pooled'].mean, n)}, means over hospitals ({n} images)."
    )


def _matrix(found: Matrix) -> Section:
    hospitals = [*found.rows[0].auc]
    n = {name: estimate.n for name, estimate in found.rows[0].auc.items()}
    header = ["model", *(f"at {name} (n = {n[name]})" for name in hospitals), "mean"]
    rows = [_cells(row, _images(found)) for row in found.rows]
    shades = [_shades(row) for row in found.rows]
    caption = (
        "AUC, with its 95 % interval; the stronger the colour, the higher, from 0.5 (chance) to 1"
    )
    text = (
        "A row is a model, a column the hospital whose images it scores. The mean of a hospital's "
        "own model is over the other hospitals."
    )
    table = Table(header, rows, caption, shades=shades)
    return Section("Every model at every hospital", [text], tables=[table])


def _how(study: Study, found: Matrix) -> Section:
    texts = [
        "The same loop trains each model from the same initial weights: "
        f"{study.plan.federation.rounds} rounds at most. Each hospital's images are the "
        f"{found.part} part of its patients, on whom no model trains. n/a: the hospital has no "
        f"{found.part} images of both kinds.",
        f"Intervals: DeLong for a binary task, else the bootstrap. {BY_PATIENT}",
    ]
    if found.part == "validation":
        texts.append(
            "No hospital is large enough for a test part. A hospital's validation images chose the "
            "round of its own model and took part in that choice for the joint ones, so these "
            "figures flatter the diagonal."
        )
    return Section("How it was scored", texts)


def _cells(row: ModelRow, n: int) -> list[str]:
    name = f"{row.trained_at} alone" if row.kind == "alone" else row.kind
    return [name, *map(_text, row.auc.values()), number(row.mean, n)]


def _text(estimate: Estimate) -> str:
    value, interval = with_interval(estimate)
    return value if interval == "n/a" else f"{value} ({interval})"


def _shades(row: ModelRow) -> list[float | None]:
    values = [None, *(estimate.value for estimate in row.auc.values()), row.mean]
    return [None if v is None else max(v - CHANCE, 0.0) / (1 - CHANCE) for v in values]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _images(found: Matrix) -> int:
    return sum(estimate.n for estimate in found.rows[0].auc.values())
