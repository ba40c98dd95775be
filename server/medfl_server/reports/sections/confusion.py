"""Which confusion counts the page prints: none of a few images, nor one that gives them away."""

from collections.abc import Mapping

import numpy as np

from medfl_common.metrics.counts import Counts
from medfl_common.metrics.enough import FEWEST_OF_A_CLASS
from medfl_common.ui.page import Table
from medfl_server.reports.scores import ALL, Scored


def printed(found: Mapping[str, Scored]) -> dict[str, Scored]:
    """Choose the sites with no class of few images; all sites come last.

    Whoever subtracts the printed ones from all sites must find nobody, or enough images of each
    class that occurs; until then the smallest printed one goes too.
    """
    classes = {name: _by_class(one) for name, one in found.items()}
    if ALL not in found or not _is_enough(classes[ALL]):
        return {}
    kept = [name for name in found if name != ALL and _is_enough(classes[name])]
    while kept:
        if _is_enough(classes[ALL] - sum(classes[name] for name in kept)):
            break
        kept.remove(min(kept, key=lambda name: (found[name].n, name)))
    return {name: found[name] for name in [*kept, ALL]}


def confusion_table(name: str, one: Scored, classes: list[str]) -> Table:
    """Lay out true classes (rows) by predicted ones; multilabel: a row for each finding."""
    if np.ndim(one.confusion) == 3:
        header = ["finding", "absent, predicted absent", "absent, predicted present"]
        header += ["present, predicted absent", "present, predicted present"]
        counts = np.reshape(one.confusion, (len(classes), 4)).tolist()
        rows = [[c, *map(str, four)] for c, four in zip(classes, counts, strict=True)]
        return Table(header, rows, caption=f"{name}, n = {one.n}")
    rows = [[c, *map(str, counts)] for c, counts in zip(classes, one.confusion, strict=True)]
    return Table(["true", *(f"called {c}" for c in classes)], rows, caption=f"{name}, n = {one.n}")


def left_unprinted(found: Mapping[str, Scored]) -> str:
    """Say whose counts are not printed, and why."""
    left = [f"{name} (n = {one.n})" for name, one in found.items() if name not in printed(found)]
    if not left:
        return ""
    return (
        f"Not printed, because a class has fewer than {FEWEST_OF_A_CLASS} images there, or because "
        f"a difference would show that of another: {', '.join(left)}."
    )


def _by_class(one: Scored) -> Counts:
    """Count images by true class; multilabel: those without and with each finding."""
    counts: Counts = np.array(one.confusion, dtype=np.int64).sum(axis=-1).ravel()
    return counts


def _is_enough(by_class: Counts) -> bool:
    return all(n == 0 or n >= FEWEST_OF_A_CLASS for n in by_class.tolist())
