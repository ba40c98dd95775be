"""What the names in a list of boxes mean: a class of the plan, or nothing that it asks for."""

from collections import Counter
from collections.abc import Iterable, Sequence

from medfl_client.config.box_files import BoxFiles
from medfl_client.data.masks.names import IGNORE, MAX_LISTED, class_of
from medfl_common.errors import DataError

NOTHING = "none"  # what a name means that says: nothing is there


class UnmappedBoxesError(DataError):
    """Names in a list of boxes have no class: that stops the site, because a person decides it."""


def meaning(name: str, classes: Sequence[str], rules: BoxFiles) -> str | None:
    """Give the class that a name means, IGNORE or NOTHING; None: the site file says nothing.

    Findings of a list without names are of the only class that it is about. Those of a class that
    it is not about are ignored: there may be others.
    """
    asked = [own for own in classes if is_asked(own, rules)]
    found = class_of(name, classes, rules) if name else asked[0]
    return IGNORE if found in classes and found not in asked else found


def is_asked(name: str, rules: BoxFiles) -> bool:
    """Say whether the list is about a class: an image without a box of it has none."""
    return not rules.classes or name in rules.classes


def refuse_unknown_classes(classes: Sequence[str], rules: BoxFiles) -> None:
    """Raise DataError where the site file has what is no class of the plan."""
    names = (*classes, IGNORE, NOTHING)
    for key, given, legal in (
        ("names", [*rules.names.values()], names), ("classes", rules.classes, classes),
    ):  # fmt: skip
        wrong = next((name for name in given if name not in legal), None)
        if wrong is not None:
            raise DataError(
                f"data.boxes.{key} has {wrong!r}, which is no class of the plan",
                todo=f"write one of {', '.join(legal)} in site.yaml",
                data="nothing was trained",
            )


def refuse_unmapped(names: Iterable[str], classes: Sequence[str], rules: BoxFiles) -> None:
    """Raise UnmappedBoxesError where a list has names without a class."""
    counts = Counter(name for name in names if meaning(name, classes, rules) is None)
    if not counts:
        return
    found = sorted(counts)
    listed = ", ".join(f"{name!r} ({counts[name]} x)" for name in found[:MAX_LISTED])
    more = f" and {len(found) - MAX_LISTED} more" if len(found) > MAX_LISTED else ""
    raise UnmappedBoxesError(
        f"the list of boxes has names that the site file does not map: {listed}{more}",
        todo="write each under data.boxes.names in site.yaml, with a class of the plan "
        f"({', '.join(classes)}); {NOTHING}, if it says that nothing is there; or {IGNORE}",
        data="nothing was trained",
    )
