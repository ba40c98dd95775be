"""compare.html: did joining help? Each hospital, with intervals; and against the pooled model."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.metrics.clusters import FEWEST_PATIENTS
from medfl_common.metrics.enough import case_digits, digits
from medfl_common.plan.plan import Plan
from medfl_common.ui.page import Section, Table, interval_plot, line_plot, render
from medfl_server.study.run_directory import Study, open_study
from medfl_sim.runs.baselines import pooled_folder
from medfl_sim.runs.compare import ALL, Difference, Row
from medfl_sim.runs.directories import curve

MOST = 60  # hospitals in the plot; of more, the largest
CHOSEN = {
    "validation": "The same images choose which round's model to keep, for all three alike.",
    "test": "They chose nothing: other patients choose which round's model to keep.",
}
HEADER = [
    "hospital", "training images", "images scored", "{} alone", "{} federated", "{} pooled",
    "federated - alone", "95 % interval", "did joining help?",
]  # fmt: skip


def write_comparison(study: Study, rows: Sequence[Row]) -> Path:
    """Write the page into the run directory."""
    hospitals, whole = rows[:-1], rows[-1]
    sections = [_hospitals(hospitals, whole), _rounds(study, whole.score), _how(study, whole.part)]
    title = f"medfl comparison: {study.plan.study}"
    page = render(title, "Did joining help?", answer(hospitals, whole), sections, __version__)
    path = study.files.comparison_page
    write_atomic(path, page.encode())
    return path


def answer(hospitals: Sequence[Row], whole: Row) -> str:
    """Say in a sentence how many hospitals gain, and which AUC pooling reaches."""
    n = Counter(row.helped.verdict for row in hospitals)
    said = [
        f"{n['helped']} of {len(hospitals)} hospitals score better on their own "
        f"{whole.part} images with the federated model than with a model trained alone"
    ]
    if n["harmed"]:
        said.append(f"{n['harmed']} worse")
    if n["no clear difference"]:
        said.append(f"at {n['no clear difference']} the images are too few for a clear difference")
    if n["cannot be said"]:
        said.append(
            f"at {n['cannot be said']} the difference is undefined, for lack of {whole.part} images"
        )
    return (
        f"{'; '.join(said)}. Over all hospitals the {whole.score} is {_auc(whole, 'federated')} "
        f"federated, {_auc(whole, 'alone')} with each hospital's own model, and "
        f"{_auc(whole, 'pooled')} with all images in one place "
        f"(n = {whole.n_scored} {whole.part} images)."
    )


def _hospitals(hospitals: Sequence[Row], whole: Row) -> Section:
    largest = sorted(hospitals, key=lambda row: -row.n_scored)[:MOST]
    shown = [row for row in hospitals if row in largest]
    bars = {
        f"{row.name} (n = {row.n_scored})": (d.value, d.low, d.high)
        for row in [*shown, whole]
        if (d := row.helped).value is not None and d.low is not None and d.high is not None
    }
    left_out = len(hospitals) - len(shown)
    texts = [
        "Right of the line the federation's model is better, left of it the one trained alone."
    ]
    texts += [f"The plot shows the {MOST} largest hospitals."] * bool(left_out)
    rows = [_cells(row) for row in [*hospitals, whole]]
    image = interval_plot(bars, f"{whole.score} of the federated model minus {whole.score} alone")
    header = [column.format(whole.score) for column in HEADER]
    return Section(
        "At each hospital", texts, [image] if bars else [], [Table(header, rows, total=ALL)]
    )


def _rounds(study: Study, score: str) -> Section:
    studies = {"federated": study, "pooled": open_study(pooled_folder(study))}
    found = {name: curve(one) for name, one in studies.items()}
    lines = {name: points for name, points in found.items() if points[0]}
    if not lines:
        return Section("Over the rounds", ["The sites' policies withhold all scores."])
    image = line_plot(lines, "rounds made", f"{score}, all hospitals", ["federated", "pooled"])
    title = "Over the rounds, against all images in one place"
    text = "Federated: the shared model, even if each hospital ends with its own."
    return Section(title, [text], [image])


def _how(study: Study, part: str) -> Section:
    training = study.plan.training
    return Section(
        "How it was compared",
        [
            f"The same loop trains each model from the same initial weights: "
            f"{study.plan.federation.rounds} rounds of {training.epochs} epochs over its images. "
            "Alone: only the hospital's own. Pooled: those of all hospitals in one place, "
            "which federated learning makes unnecessary. Each hospital scores all three on the "
            f"{part} part of its patients, on whom none of them trains." + _unprotected(study.plan),
            f"Intervals: 500 draws of the {part} patients with all their images, the same for both "
            "models (paired bootstrap). From several images of fewer than "
            f"{FEWEST_PATIENTS} patients there is none. {CHOSEN[part]} By chance alone, 1 hospital "
            "in 20 counts as helped or harmed.",
        ],
    )


def _unprotected(plan: Plan) -> str:
    """Say what protects the federated model alone."""
    found = [name for name in ("noise", "secure_sum") if getattr(plan.privacy, name) is not None]
    if not found:
        return ""
    names = " and ".join(f"privacy.{name}" for name in found)
    return f" The federated model was made with {names}, the others without: nothing leaves there."


def _cells(row: Row) -> list[str]:
    return [
        row.name,
        str(row.n_trained),
        str(row.n_scored),
        *(_auc(row, model) for model in ("alone", "federated", "pooled")),
        *in_words(row.helped, row.n_scored, _digits(row)),
        row.helped.verdict,
    ]


def _auc(row: Row, model: str) -> str:
    value = row.auc[model]
    return "n/a" if value is None else f"{value:.{_digits(row)}f}"


def _digits(row: Row) -> int:
    return case_digits(row.n_scored) if row.score != "AUC" else digits(row.n_scored)


def in_words(difference: Difference, n: int, n_digits: int | None = None) -> tuple[str, str]:
    """Write a difference on n images, and its interval."""
    shown = digits(n) if n_digits is None else n_digits
    value, low, high = (
        "n/a" if one is None else f"{one:+.{shown}f}"
        for one in (difference.value, difference.low, difference.high)
    )
    return value, "n/a" if "n/a" in (low, high) else f"{low} to {high}"
