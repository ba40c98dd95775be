"""What the names in a list of boxes mean: a class of the plan, or nothing that it asks for."""

from collections import Counter
from collections.abc import Iterable, Sequence

from medfl_client.config.box_files import BoxFiles
from medfl_client.data.masks.names import IGNORE, MAX_LISTED, class_of
from medfl_common.errors import DataError


class UnmappedBoxesError(DataError):
    """Names in a list of boxes have no class: that stops the site, because a person decides it."""


def meaning(name: str, classes: Sequence[str], rules: BoxFiles) -> str | None:
    """Give the class that a name means, or IGNORE; None: the site file says nothing.

    Findings of a list without names are of the plan's only class.
    """
    return class_of(name, classes, rules) if name else classes[0]


def refuse_unknown_classes(classes: Sequence[str], rules: BoxFiles) -> None:
    """Raise DataError where the site file maps names to what is no class of the plan."""
    legal = (*classes, IGNORE)
    wrong = next((name for name in rules.names.values() if name not in legal), None)
    if wrong is not None:
        raise DataError(
            f"data.boxes.names has {wrong!r}, which is no class of the plan",
            todo=f"write one of {', '.join(legal)} in site.yaml",
            data="nothing was trained",
        )


def refuse_unmapped(names: Iterable[str], classes: Sequence[str], rules: BoxFiles) -> None:
    """Raise UnmappedBoxesError where findings have names without a class."""
    counts = Counter(name for name in names if meaning(name, classes, rules) is None)
    if not counts:
        return
    found = sorted(counts)
    listed = ", ".join(f"{name!r} ({counts[name]} x)" for name in found[:MAX_LISTED])
    more = f" and {len(found) - MAX_LISTED} more" if len(found) > MAX_LISTED else ""
    raise UnmappedBoxesError(
        f"boxes have names that the site file does not map: {listed}{more}",
        todo="write each under data.boxes.names in site.yaml, with a class of the plan "
        f"({', '.join(classes)}) or {IGNORE}",
        data="nothing was trained",
    )
