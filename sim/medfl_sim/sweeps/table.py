"""The runs of a sweep in figures: one line per run, and means over seeds for each combination."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medfl_common.ui.spreadsheet import csv_text
from medfl_sim.runs.compare import read_comparison
from medfl_sim.runs.directories import CHOICE, facts_of
from medfl_sim.sweeps.sweep import Variant

# Figure of a run -> its name in a table.
VALUES = {
    "auc": "AUC", "accuracy": "accuracy", "loss": "loss", "choice": f"AUC ({CHOICE})",
    "alone": "AUC alone",
    "pooled": "AUC pooled", "helped": "hospitals helped", "round": "best round",
    "mb": "MB received", "seconds": "seconds",
}  # fmt: skip
SCORES = ("auc", "accuracy", "loss", "alone", "pooled")  # of a part of the data
BEST = {"auc": max, "accuracy": max, "loss": min}  # what of a figure is best
ROUGH = ("helped", "round", "mb", "seconds")  # one digit after the point is enough


@dataclass(frozen=True)
class Result:
    """One run: its figures, None if it has none; `error` if it did not end."""

    variant: Variant
    figures: dict[str, float | None]
    error: str = ""
    part: str = CHOICE  # of the data, that the scores are from
    choice: float | None = None  # the AUC on the part that chooses


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
        Result(variant, {}, failed[variant.name]) if variant.name in failed else read(variant)
        for variant in variants
    ]


def read(variant: Variant) -> Result:
    """Read one finished run's figures; the scores are those of the kept model."""
    facts, rows = facts_of(variant.folder), read_comparison(variant.folder)
    scored, chosen = facts.scored, facts.validation
    figures = {
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
    choice = chosen.values["auc"] if chosen else None
    figures["choice"] = None if facts.part == CHOICE else choice
    return Result(variant, figures, part=facts.part, choice=choice)


def part_of(found: Sequence[Result]) -> str:
    """Name the part of the data that the scores of a sweep are from."""
    ended = [result for result in found if not result.error]
    return " and ".join(sorted({result.part for result in ended or found}))


def title(value: str, part: str) -> str:
    """Name a figure in the head of a table, a score with its part of the data."""
    return f"{VALUES[value]} ({part})" if value in SCORES else VALUES[value]


def label(settings: Sequence[str]) -> str:
    """Name a combination of settings."""
    return ", ".join(settings) or "the plan as it is"


def n_seeds(n: int) -> str:
    """Write a number of seeds."""
    return "1 seed" if n == 1 else f"{n} seeds"


def p_text(p: float | None) -> str:
    """Write a p with three digits."""
    if p is None:
        return "n/a"
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


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


def as_csv(found: Sequence[Result]) -> str:
    """Write one line per run."""
    keys = [*found[0].variant.settings]
    rows: list[list[object]] = [[*keys, "seed", "part", *VALUES, "error", "run"]]
    for result in found:
        numbers = [result.figures.get(value) for value in VALUES]
        settings = result.variant.settings.values()
        cells = ["" if number is None else f"{number:.6g}" for number in numbers]
        name, part = result.variant.name, "" if result.error else result.part
        rows.append([*settings, result.variant.seed, part, *cells, result.error, name])
    return csv_text(rows)
