"""sweep.tex: a table for the LaTeX package booktabs, the best figures in bold."""

from collections.abc import Sequence

from medfl_sim.sweeps.factors import Factor, by_data
from medfl_sim.sweeps.table import (
    BEST,
    Result,
    by_settings,
    mean_of,
    p_text,
    part_of,
    title,
)

Settings = tuple[str, ...]
SPELT = {letter: f"\\{letter}" for letter in "&%$#_{}"} | {
    "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
    "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}",
}  # fmt: skip


def as_latex(found: Sequence[Result], shown: Sequence[str], compared: Sequence[Factor] = ()) -> str:
    """Write one line per combination, and a table for each factor that is compared."""
    tables = [_means(found, shown), *(_comparisons(factor, part_of(found)) for factor in compared)]
    return "\n".join(tables)


def _means(found: Sequence[Result], shown: Sequence[str]) -> str:
    """Write the means; the best of those with the same data are bold, with all that look alike."""
    keys, part = [*found[0].variant.settings], part_of(found)
    rows = [[*keys, "seeds", *(title(value, part) for value in shown)]]
    bold = {value: _best(found, value) for value in shown if value in BEST}
    for settings, group in by_settings(found).items():
        cells = [*settings, str(sum(not result.error for result in group))]
        means = [
            _number(mean_of(group, value).text(value, "\\pm"), settings in bold.get(value, {}))
            for value in shown
        ]
        rows.append([*map(escaped, cells), *means])
    rows[0] = [*map(escaped, rows[0])]
    return _tabular(rows, "l" * len(keys) + "r" * (1 + len(shown)))


def _comparisons(factor: Factor, part: str) -> str:
    header = ["within", factor.name, f"AUC ({part}) minus {factor.reference}'s", "95 % interval",
              "seeds", "p", "p (Holm)"]  # fmt: skip
    rows = [[*map(escaped, header)]]
    for one in factor.comparisons:
        gap = one.gap
        within = escaped(", ".join(f"{name} {level}" for name, level in one.within) or "all runs")
        if gap is None:
            rows.append([within, escaped(one.level), *["n/a"] * 2, "0", *["n/a"] * 2])
            continue
        interval = "n/a"
        if gap.low is not None and gap.high is not None:
            interval = f"${gap.low:+.3f}$ to ${gap.high:+.3f}$"
        ps = [escaped(p_text(p)) if p is None else f"${p_text(p)}$" for p in (gap.p, one.corrected)]
        rows.append([
            within, escaped(one.level), f"${gap.mean:+.3f}$", interval, str(gap.n), *ps,
        ])  # fmt: skip
    return _tabular(rows, "llrrrrr")


def _best(found: Sequence[Result], value: str) -> set[Settings]:
    """Find the combinations whose mean, as written, is the best of those with the same data."""
    best: set[Settings] = set()
    for group in by_data(found).values():
        means = {key: mean_of(runs, value) for key, runs in by_settings(group).items()}
        known = {key: mean.mean for key, mean in means.items() if mean.mean is not None}
        if len(known) > 1:
            text = f"{BEST[value](known.values()):.3f}"
            best |= {key for key, mean in known.items() if f"{mean:.3f}" == text}
    return best


def _number(text: str, is_bold: bool) -> str:
    if text == "n/a":
        return text
    return f"$\\mathbf{{{text}}}$" if is_bold else f"${text}$"


def _tabular(rows: Sequence[Sequence[str]], columns: str) -> str:
    lines = [f"\\begin{{tabular}}{{{columns}}}", "\\toprule"]
    lines += [" & ".join(rows[0]) + " \\\\", "\\midrule"]
    lines += [" & ".join(row) + " \\\\" for row in rows[1:]]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def escaped(text: str) -> str:
    """Spell out what LaTeX reads as commands."""
    return "".join(SPELT.get(letter, letter) for letter in text)
