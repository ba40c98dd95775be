"""What a sweep says in a sentence or two."""

from collections import Counter
from collections.abc import Iterable, Sequence

from medfl_sim.sweeps.factors import Factor, Settings, by_data, says_the_data
from medfl_sim.sweeps.table import Result, by_settings, label, mean_of, n_seeds, part_of

MOST = 4  # data that are named one by one


def answer(found: Sequence[Result], compared: Sequence[Factor]) -> str:
    """Name the best setting for each data, and how often a level is clearly apart."""
    n_failed = sum(bool(result.error) for result in found)
    said = [_best(found), *map(_apart, compared)]
    said += [f"{n_failed} of {len(found)} runs failed."] * bool(n_failed)
    return " ".join(said)


def _best(found: Sequence[Result]) -> str:
    """Name the setting with the highest mean AUC, apart for each setting of the data."""
    said = {data: text for data, group in by_data(found).items() if (text := _first(group))}
    part = part_of(found)
    if not said:
        return "No run has an AUC over all hospitals."
    if len(said) > MOST:
        return f"The {part} AUC of {len(said)} data stands below; each is compared within itself."
    lines = [f"{_where(data)}{text}" for data, text in said.items()]
    return f"The highest AUC over all hospitals ({part} part): {'; '.join(lines)}."


def _where(data: Settings) -> str:
    return f"with {', '.join(f'{name} {level}' for name, level in data)}, " if data else ""


def _first(group: Sequence[Result]) -> str:
    means = {k: m for k, runs in by_settings(group).items() if (m := mean_of(runs, "auc")).n}
    if not means:
        return ""
    highest = f"{max(mean.mean or 0.0 for mean in means.values()):.3f}"
    best = {k: mean for k, mean in means.items() if f"{mean.mean:.3f}" == highest}
    if len(best) > MOST:
        return f"{len(best)} settings have {highest}"
    names = group[0].variant.settings
    return " and ".join(
        f"{_without_data(names, settings)} has {mean.text('auc')} over {n_seeds(mean.n)}"
        for settings, mean in best.items()
    )


def _without_data(names: Iterable[str], settings: Sequence[str]) -> str:
    """Name a combination by what the plan says in it."""
    levels = zip(names, settings, strict=True)
    return label([level for name, level in levels if not says_the_data(name)])


def _apart(factor: Factor) -> str:
    """Say of each level how often it is above and below the reference."""
    levels = dict.fromkeys(one.level for one in factor.comparisons)
    said = []
    for level in levels:
        verdicts = Counter(one.verdict for one in factor.comparisons if one.level == level)
        known = sum(n for verdict, n in verdicts.items() if verdict != "cannot be said")
        if known:
            said.append(
                f"{level} is clearly above in {verdicts['above']} and clearly below in "
                f"{verdicts['below']} of {known}"
            )
    if not said:
        return f"{factor.name}: the seeds are too few to say whether differences are chance."
    return f"{factor.name}, against {factor.reference}: {', '.join(said)} comparisons (Holm)."
