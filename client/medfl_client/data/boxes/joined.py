"""Whose boxes are whose: what a list says of each image, or the reason why nobody can use it."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medfl_client.data.boxes.listed import Entry
from medfl_client.data.labels import keys_of
from medfl_client.data.reader import Source

NO_ENTRY = "the list of boxes does not name it"
TWO_ENTRIES = "its name is that of several images in the list of boxes"
TWO_IMAGES = "the list of boxes names several images in the same words, and it is one of them"
NO_IMAGE = "no image of the plan has this name"
# .dcm, .jpeg; the last number of a UID is none
_ENDING = re.compile(r"(\.nii\.gz|\.[A-Za-z][A-Za-z0-9]{0,5})$", re.IGNORECASE)


@dataclass(frozen=True)
class Joined:
    """What a list says of each source, in the order of the sources."""

    entries: list[list[Entry]]  # empty: nothing, for the reason beside it
    reasons: list[str]  # empty: it says something
    unused: list[Entry]  # of no source


def join_entries(sources: Sequence[Source], entries: Mapping[str, Entry], join: str) -> Joined:
    """Join a list to sources.

    One that calls images by their path may leave out folders and the ending, where one image only
    can be meant.
    """
    own = [_exact(source, entries, join) for source in sources]
    taken = {key for keys in own for key in keys}
    if join == "path":
        others = _Names(key for key in entries if key not in taken)
        own = [keys or others.like(source) for keys, source in zip(own, sources, strict=True)]
    n_of: Counter[str] = Counter()
    files = {(key, s.rows[0].name) for keys, s in zip(own, sources, strict=True) for key in keys}
    n_of.update(key for key, _ in files)
    joined = Joined([], [], [entry for key, entry in entries.items() if not n_of[key]])
    for keys, source in zip(own, sources, strict=True):
        reason = "" if keys else NO_ENTRY
        if any(n_of[key] > 1 for key in keys):
            reason = TWO_IMAGES
        elif len(keys) > 1 and len(source.rows) == 1:
            reason = TWO_ENTRIES
        joined.reasons.append(reason)
        joined.entries.append([] if reason else [entries[key] for key in keys])
    return joined


def _exact(source: Source, entries: Mapping[str, Entry], join: str) -> list[str]:
    """Give what a list calls the files of a source; of an image its path counts before others."""
    keys = dict.fromkeys(key for row in source.rows for key in keys_of(row, join))
    found = [key for key in keys if key in entries]
    return found[:1] if len(source.rows) == 1 else found


class _Names:
    """What a list calls images, by their name without folder and ending."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            self._keys[_parts(key)[-1]].append(key)

    def like(self, source: Source) -> list[str]:
        """Give the keys that can mean a source of one file."""
        if len(source.rows) > 1:
            return []
        path = source.rows[0].name
        found = [key for key in self._keys.get(_parts(path)[-1], ()) if _is_end(key, path)]
        same = [key for key in found if key.lower().endswith(path.rpartition("/")[2].lower())]
        return same or found


def _parts(path: str) -> list[str]:
    """Give folders and name, without its ending."""
    return _ENDING.sub("", path.replace("\\", "/").removeprefix("./")).split("/")


def _is_end(one: str, other: str) -> bool:
    """Say whether one path is the end of the other."""
    return all(a == b for a, b in zip(_parts(one)[::-1], _parts(other)[::-1], strict=False))
