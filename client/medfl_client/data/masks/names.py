"""What the names in mask files mean: a class of the plan, background, or nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from medfl_client.config.box_files import BoxFiles
from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.masks.files import MaskFile
from medfl_common.errors import DataError

BACKGROUND, IGNORE = "background", "ignore"
MAX_LISTED = 20


class UnmappedNamesError(DataError):
    """Names in mask files have no class: that stops the site, because a person decides it."""


def class_of(name: str, classes: Sequence[str], rules: MaskFiles | BoxFiles) -> str | None:
    """Give the class that a name means, BACKGROUND or IGNORE; None: the site file says nothing."""
    found = next((to for pattern, to in rules.names.items() if _fits(name, pattern)), None)
    if found is None and name in classes:
        return name
    return found


def _fits(name: str, pattern: str) -> bool:
    """Say whether `*` and `?` make a name of a pattern; brackets are letters like others."""
    return name == pattern or fnmatchcase(name, pattern.replace("[", "[[]"))


def refuse_unknown_classes(classes: Sequence[str], rules: MaskFiles) -> None:
    """Raise DataError where the site file maps names to what is no class of the plan."""
    legal = (*classes, BACKGROUND, IGNORE)
    for key, found in (("names", rules.names.values()), ("priority", rules.priority)):
        wrong = next((name for name in found if name not in legal), None)
        if wrong is not None:
            raise DataError(
                f"data.masks.{key} has {wrong!r}, which is no class of the plan",
                todo=f"write one of {', '.join(legal)} in site.yaml",
                data="nothing was trained",
            )


def refuse_unmapped(masks: Iterable[MaskFile], classes: Sequence[str], rules: MaskFiles) -> None:
    """Raise UnmappedNamesError where the index knows a name without a class."""
    names = [name for mask in masks for name in dict.fromkeys(mask.structures)]
    refuse_names((n for n in names if class_of(n, classes, rules) is None), classes)


def refuse_names(names: Iterable[str], classes: Sequence[str]) -> None:
    """Raise UnmappedNamesError where there are names without a class; each once for a mask."""
    counts = Counter(names)
    found = sorted(counts)
    if not found:
        return
    listed = ", ".join(f"{name!r} ({counts[name]} x)" for name in found[:MAX_LISTED])
    more = f" and {len(found) - MAX_LISTED} more" if len(found) > MAX_LISTED else ""
    raise UnmappedNamesError(
        f"masks have names that the site file does not map: {listed}{more}",
        todo="write each under data.masks.names in site.yaml, with a class of the plan "
        f"({', '.join(classes)}), {BACKGROUND} or {IGNORE}",
        data="nothing was trained",
    )
