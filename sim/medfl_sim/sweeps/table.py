"""The runs of a sweep as tables: one line per run, and means over seeds for each combination."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medfl_common.ui.spreadsheet import csv_text
from medfl_sim.runs.compare import read_comparison
from medfl_sim.runs.directories import facts_of
from medfl_sim.sweeps.sweep import Variant

# Figure of a run -> its name in a table.
VALUES = {
    "auc": "AUC", "accuracy": "accuracy", "loss": "loss", "alone": "AUC alone",
    "pooled": "AUC pooled", "helped": "hospitals helped", "round": "best round",
    "mb": "MB received", "seconds": "seconds",
}  # fmt: skip
ROUGH = ("helped", "round", "mb", "seconds")  # one digit after the point is enough


@dataclass(frozen=True)
class Result:
    """One run: its figures, None if it has none; `error` if it did not end."""

    variant: Variant
    figures: dict[str, float | None]
    error: str = ""


@dataclass(frozen=True)
class Mean:
    """Mean and standard deviation over n seeds."""

    n: int
    mean: float | None = None
    spread: float | None = None

    def text(self, value: str, plus_minus: str = "±") -> str:
        """Write as 0.871 ± 0.012, in the figure's own format; the deviation needs two seeds."""
        digits = 1 if value in ROUGH else 3
        if self.mean is None:
            return "n/a"
        if self.spread is None:
            return f"{self.mean:.{digits}f}"
        return f"{self.mean:.{digits}f} {plus_minus} {self.spread:.{digits}f}"


def results(variants: Sequence[Variant], failed: Mapping[str, str]) -> list[Result]:
    """Read every run's figures from its run directory."""
    return [
        Result(variant, {}, failed[variant.name])
        if variant.name in failed
        else Result(variant, figures(variant))
        for variant in variants
    ]


def figures(variant: Variant) -> dict[str, float | None]:
    """Read one finished run's figures; scores are those of the kept model on validation images."""
    facts, rows = facts_of(variant.folder), read_comparison(variant.folder)
    scored = facts.scored
    return {
        "auc": scored.values["auc"] if scored else None,
        "accuracy": scored.values["accuracy"] if scored else None,
        "loss": scored.loss if scored else None,
        "alone": rows[-1].auc["alone"] if rows else None,
        "pooled": rows[-1].auc["pooled"] if rows else None,
        "helped": sum(row.helped.verdict == "helped" for row in rows[:-1]) if rows else None,
        "round": facts.scored_round,
        "mb": facts.mb_received,
        "seconds": facts.seconds,
    }


def by_settings(found: Sequence[Result]) -> dict[tuple[str, ...], list[Result]]:
    """Group runs that differ only in their seed, in the order of the sweep."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in found:
        groups.setdefault(tuple(result.variant.settings.values()), []).append(result)
    return groups


def mean_of(group: Sequence[Result], value: str) -> Mean:
    """Average one figure over seeds."""
    known = [v for r in group if (v := r.figures.get(value)) is not None]
    if not known:
        return Mean(0)
    return Mean(
        len(known), statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None
    )


def difference(
    group: Sequence[Result], reference: Sequence[Result], value: str = "auc"
) -> tuple[float, float, float] | None:
    """Return the mean difference seed by seed, with its 95 % interval by Student's t.

    None with fewer than three seeds that both have.
    """
    from scipy.stats import t as student  # a second to import

    other = {r.variant.seed: r.figures.get(value) for r in reference}
    pairs = [
        (one, two)
        for r in group
        if (one := r.figures.get(value)) is not None
        and (two := other.get(r.variant.seed)) is not None
    ]
    gaps = [one - two for one, two in pairs]
    if len(gaps) < 3:
        return None
    middle = statistics.fmean(gaps)
    half = float(student.ppf(0.975, len(gaps) - 1)) * statistics.stdev(gaps) / math.sqrt(len(gaps))
    return middle, middle - half, middle + half


def as_csv(found: Sequence[Result]) -> str:
    """Write one line per run."""
    keys = [*found[0].variant.settings]
    rows: list[list[object]] = [[*keys, "seed", *VALUES, "error", "run"]]
    for result in found:
        numbers = [result.figures.get(value) for value in VALUES]
        settings = result.variant.settings.values()
        cells = ["" if number is None else f"{number:.6g}" for number in numbers]
        rows.append([*settings, result.variant.seed, *cells, result.error, result.variant.name])
    return csv_text(rows)


def as_latex(found: Sequence[Result], shown: Sequence[str]) -> str:
    """Write one line per combination, as a table for the LaTeX package booktabs."""
    keys = [*found[0].variant.settings]
    header = " & ".join(_escaped(text) for text in [*keys, "seeds", *(VALUES[v] for v in shown)])
    lines = [f"\\begin{{tabular}}{{{'l' * len(keys)}r{'r' * len(shown)}}}", "\\toprule"]
    lines += [f"{header} \\\\", "\\midrule"]
    for settings, group in by_settings(found).items():
        cells = [*map(_escaped, settings), str(sum(not result.error for result in group))]
        means = [mean_of(group, value).text(value, "\\pm") for value in shown]
        cells += [text if text == "n/a" else f"${text}$" for text in means]
        lines.append(" & ".join(cells) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _escaped(text: str) -> str:
    for letter in "\\&%$#_{}":
        text = text.replace(letter, f"\\{letter}" if letter != "\\" else "/")
    return text
