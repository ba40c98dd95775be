"""The settings of a sweep one by one: each compared where all the others are the same.

A factor is a setting that the sweep varies, a level one of its values. Two levels are compared
within one combination of the other factors' levels, so what another factor does counts for none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medfl_common.errors import ConfigError
from medfl_sim.runs.changed_plan import value_of
from medfl_sim.sweeps.significance import Gap, Ranking, holm, paired, rank
from medfl_sim.sweeps.sweep import Vary, is_of_data, place_of
from medfl_sim.sweeps.table import Result

Settings = tuple[tuple[str, str], ...]  # (factor, level), in the order of the sweep


@dataclass(frozen=True)
class Comparison:
    """A level beside the reference level, within one combination of the other factors."""

    within: Settings
    level: str
    gap: Gap | None  # None: no seed that both have
    corrected: float | None = None  # p by Holm over the comparisons of this factor

    @property
    def verdict(self) -> str:
        """Say what the corrected p allows."""
        if self.gap is None or self.corrected is None:
            return "cannot be said"
        if self.corrected >= 0.05:
            return "no clear difference"
        return "above" if self.gap.mean > 0 else "below"


@dataclass(frozen=True)
class Factor:
    """One setting of a sweep: its levels against the reference, and their ranks over blocks."""

    name: str
    reference: str
    comparisons: tuple[Comparison, ...]
    ranking: Ranking | None
    block: str  # what a block of the ranking is, in words
    n_left_out: int = 0  # blocks in which a level has no figure


def read_reference(texts: Iterable[str], vary: Vary) -> dict[str, str]:
    """Read `KEY=VALUE` of `--reference`: factor as in `vary` -> level in words."""
    found: dict[str, str] = {}
    keys = {place_of(key): key for key in vary}
    for text in texts:
        key, _, word = text.partition("=")
        place = place_of(key)
        if place not in keys:
            raise ConfigError(
                f"--reference {text}: the sweep does not vary {key}",
                todo=f"name one of {', '.join(vary) or '--vary'}",
            )
        level, levels = str(value_of(word, text)), [str(value) for value in vary[keys[place]]]
        if level not in levels:
            raise ConfigError(
                f"--reference {text} names none of the values of {key}",
                todo=f"take one of {', '.join(levels)}",
            )
        if keys[place] in found:
            raise ConfigError(f"--reference {key} occurs twice", todo="write it once")
        found[keys[place]] = level
    return found


def factors(found: Sequence[Result], reference: Mapping[str, str] | None = None) -> list[Factor]:
    """Compare every factor that has several levels; the first level is its reference, or given.

    A seed of the partition or split is no treatment: all is compared within it.
    """
    names = [*found[0].variant.settings]
    levels = {name: _levels(found, name) for name in names}
    return [
        _factor(found, name, levels[name], (reference or {}).get(name, levels[name][0]))
        for name in names
        if len(levels[name]) > 1 and not _is_draw(name)
    ]


def by_data(found: Sequence[Result]) -> dict[Settings, list[Result]]:
    """Group runs with the same data: settings of the scenario, in the order of the sweep.

    Only within such a group is one setting of the plan better than another.
    """
    return _grouped(found, [name for name in found[0].variant.settings if says_the_data(name)])


def says_the_data(name: str) -> bool:
    """Say whether other patients are scored where a setting is another."""
    return is_of_data(name) or _is_draw(name)


def _is_draw(name: str) -> bool:
    return name.rpartition(".")[2] in ("partition_seed", "split_seed")


def _factor(found: Sequence[Result], name: str, levels: list[str], reference: str) -> Factor:
    others = [other for other in found[0].variant.settings if other != name]
    made = []
    cells: list[list[float]] = []
    strata = _grouped(found, others)
    is_by_seed = len(strata) == 1
    n_blocks = 0
    for within, stratum in strata.items():
        areas = {level: _areas(stratum, name, level) for level in levels}
        base = areas[reference]
        for level in levels:
            if level != reference:
                both = [seed for seed in areas[level] if seed in base]
                gap = paired([areas[level][s] for s in both], [base[s] for s in both])
                made.append(Comparison(within, level, gap))
        common = [seed for seed in base if all(seed in area for area in areas.values())]
        rows = [[areas[level][seed] for level in levels] for seed in common]
        n_blocks += len({r.variant.seed for r in stratum}) if is_by_seed else 1
        if rows:
            cells += rows if is_by_seed else [[float(v) for v in np.mean(rows, axis=0)]]
    corrected = holm([one.gap.p if one.gap else None for one in made])
    made = [replace(one, corrected=p) for one, p in zip(made, corrected, strict=True)]
    ranking = rank(levels, np.array(cells)) if cells else None
    block = "a seed" if is_by_seed else f"a combination of {', '.join(others)} (mean of the seeds)"
    return Factor(name, reference, tuple(made), ranking, block, n_blocks - len(cells))


def _areas(stratum: Sequence[Result], name: str, level: str) -> dict[int, float]:
    return {
        r.variant.seed: area
        for r in stratum
        if r.variant.settings[name] == level and (area := r.figures.get("auc")) is not None
    }


def _levels(found: Sequence[Result], name: str) -> list[str]:
    return list(dict.fromkeys(r.variant.settings[name] for r in found))


def _grouped(found: Sequence[Result], names: Sequence[str]) -> dict[Settings, list[Result]]:
    groups: dict[Settings, list[Result]] = {}
    for r in found:
        key = tuple((name, r.variant.settings[name]) for name in names)
        groups.setdefault(key, []).append(r)
    return groups
