"""Whose boxes are whose: what a list says of each image, or the reason why nobody can use it."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medfl_client.data.boxes.listed import Entry
from medfl_client.data.labels import keys_of
from medfl_client.data.reader import Source
from medfl_client.data.spelling import composed

NO_ENTRY = "the list of boxes does not name it"
TWO_ENTRIES = "its name is that of several images in the list of boxes"
TWO_IMAGES = "the list of boxes names several images in the same words, and it is one of them"
NO_IMAGE = "no image of the plan has this name"
OF_JOIN = (NO_ENTRY, TWO_ENTRIES, TWO_IMAGES)
# .dcm, .jpeg; the last number of a UID is none
_ENDING = re.compile(r"(\.nii\.gz|\.[A-Za-z][A-Za-z0-9]{0,5})$", re.IGNORECASE)
# How a list may call an image, the surest way first
EXACT, SAME_CASE, OTHER_CASE, NO_ENDING, OTHER_ENDING, FOLDER = range(6)
MAX_DEPTH = 64  # folders of a path that may be left out
_XML = ".xml"

Parts = tuple[str, ...]  # folders and name of a path
Ways = dict[str, int]  # what the list calls images -> in which way that means one


@dataclass(frozen=True)
class Joined:
    """What a list says of each source, in the order of the sources."""

    entries: list[list[Entry]]  # empty: nothing, for the reason beside it
    reasons: list[str]  # empty: it says something
    unused: list[Entry]  # of no source


def join_entries(sources: Sequence[Source], entries: Mapping[str, Entry], join: str) -> Joined:
    """Join a list to sources.

    One that calls images by their path may write it in other letters, and leave out folders and the
    ending, where one image only can be meant. Of copies under one UID the list can mean each.
    """
    names = _Names(entries) if join == "path" else None
    ways = [_ways(source, entries, join, names) for source in sources]
    meant = _meant(ways, sources)
    taken: set[str] = set()
    joined = Joined([], [], [])
    for source, own in zip(sources, ways, strict=True):
        keys = [key for key, way in own.items() if way == meant[key][0]]
        alone = [key for key in keys if len(meant[key][1]) == 1]
        keys = _surest(alone or keys, own) if len(source.rows) == 1 else keys
        reason = "" if keys else NO_ENTRY
        if any(len(meant[key][1]) > 1 for key in keys):
            reason = TWO_IMAGES
        elif len(keys) > 1 and len(source.rows) == 1:
            reason = TWO_ENTRIES
        taken.update(keys)
        joined.reasons.append(reason)
        joined.entries.append([] if reason else [entries[key] for key in keys])
    joined.unused.extend(entry for key, entry in entries.items() if key not in taken)
    return joined


def _ways(source: Source, entries: Mapping[str, Entry], join: str, names: "_Names | None") -> Ways:
    if names is not None:
        return names.of(source)
    keys = dict.fromkeys(key for row in source.rows for key in keys_of(row, join))
    return {key: EXACT for key in keys if key in entries}


def _meant(ways: Sequence[Ways], sources: Sequence[Source]) -> dict[str, tuple[int, set[str]]]:
    """Say of each key which images it means, by its surest way; copies count as one."""
    meant: dict[str, tuple[int, set[str]]] = {}
    for own, source in zip(ways, sources, strict=True):
        row = source.rows[0]
        image = f"{row.sop} {row.size} {row.item}" if row.sop else row.name
        for key, way in own.items():
            best, images = meant.get(key, (way, set()))
            if way < best:
                meant[key] = way, {image}
            elif way == best:
                images.add(image)
                meant[key] = way, images
    return meant


def _surest(keys: Sequence[str], ways: Ways) -> list[str]:
    """Leave out what has another ending, or is a folder's, where another key means the image."""
    best = min((ways[key] for key in keys), default=FOLDER)
    return [key for key in keys if ways[key] <= max(best, NO_ENDING)]


class _Names:
    """What a list calls images, by their paths; to look up an image takes no walk over the list."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._whole: dict[Parts, list[str]] = defaultdict(list)
        self._ends: dict[Parts, list[str]] = defaultdict(list)  # of longer ones
        for key in keys:
            parts = _parts(key)
            self._whole[parts].append(key)
            for first in range(max(1, len(parts) - MAX_DEPTH), len(parts)):
                self._ends[parts[first:]].append(key)

    def of(self, source: Source) -> Ways:
        """Give the keys that may mean a source."""
        found: Ways = {}
        is_series = len(source.rows) > 1
        for row in source.rows:
            for path in {row.name, row.path}:
                for key in self._like(_parts(path)):
                    way = _way(key, path)
                    found[key] = min(way, found.get(key, way))
        for folder in {row.path.rpartition("/")[0] for row in source.rows} - {""}:
            parts = _parts(folder)
            for key in self._like(parts) if is_series else self._whole.get(parts, ()):
                way = _way(key, folder) if is_series else FOLDER
                found[key] = min(way, found.get(key, way))
        return found

    def _like(self, path: Parts) -> Iterable[str]:
        for first in range(len(path)):
            yield from self._whole.get(path[first:], ())
        yield from self._ends.get(path, ())


def _way(key: str, path: str) -> int:
    """Say how a key means an image with this path, of which one is the end of the other."""
    if key == path:
        return EXACT
    key, path = _slashed(key), composed(path)
    if _is_end(key, path):
        return SAME_CASE
    key, path = key.casefold(), path.casefold()
    if _is_end(key, path):
        return OTHER_CASE
    return OTHER_ENDING if _ENDING.search(key) and _ENDING.search(path) else NO_ENDING


def _is_end(one: str, other: str) -> bool:
    return f"/{one}".endswith(f"/{other}") or f"/{other}".endswith(f"/{one}")


def _slashed(path: str) -> str:
    """Give a path with slashes; that of an XML file without its own ending, as in `a.png.xml`."""
    path = composed(path).replace("\\", "/").removeprefix("./")
    return path[: -len(_XML)] if path.lower().endswith(_XML) else path


def _parts(path: str) -> Parts:
    """Give folders and name, without its ending and in small letters."""
    return tuple(_ENDING.sub("", _slashed(path)).casefold().split("/"))
