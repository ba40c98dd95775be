"""Masks that say nothing of their image but by their path: NIfTI, NRRD, PNG."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.dicom.header import Row
from medfl_client.data.dicom.kinds import special_kind
from medfl_client.data.masks.files import ENDINGS, MaskFile
from medfl_client.data.reader import Source

MAX_SOPS = 4  # files of a volume whose UIDs may be a mask's name


def by_path(
    sources: Sequence[Source],
    masks: Sequence[MaskFile],
    rules: MaskFiles,
    others: Sequence[Row] = (),
) -> list[list[MaskFile]]:
    """Give the masks of each source; a mask may be of `others` too, which are no source.

    A mask has the path of its image, or of its series' folder, with `rules.suffix` before the
    extension; or it is the only mask in that folder; or its name is the UID of the image or series.
    """
    stems: dict[str, list[MaskFile]] = defaultdict(list)
    names: dict[str, list[MaskFile]] = defaultdict(list)
    folders: dict[str, list[MaskFile]] = defaultdict(list)
    for mask in masks:
        stem = stem_of(mask.path)
        stems[stem].append(mask)
        names[stem.rpartition("/")[2]].append(mask)
        folders[mask.path.rpartition("/")[0]].append(mask)
    n_series = _count_series(sources, others)
    return [
        _first(_candidates(source, rules.suffix, stems, names, folders, n_series), source)
        for source in sources
    ]


def stem_of(path: str) -> str:
    """Take the extension off a path."""
    known = next((end for end in ENDINGS if path.lower().endswith(end)), "")
    return path[: -len(known)] if known else str(PurePosixPath(path).with_suffix(""))


def _count_series(sources: Sequence[Source], others: Sequence[Row]) -> dict[str, int]:
    """Count the series, or images without one, in each folder; nobody outlines a scout."""
    series: dict[str, set[str]] = defaultdict(set)
    outlined = [row for row in others if not special_kind(row.image_type)[0]]
    for row in (*(source.rows[0] for source in sources), *outlined):
        series[row.path.rpartition("/")[0]].add(row.series or row.name)
    return {folder: len(found) for folder, found in series.items()}


def _candidates(
    source: Source,
    suffix: str,
    stems: dict[str, list[MaskFile]],
    names: dict[str, list[MaskFile]],
    folders: dict[str, list[MaskFile]],
    n_series: dict[str, int],
) -> Iterator[list[MaskFile]]:
    """Give what could be the masks of a source, the likeliest first."""
    row = source.rows[0]
    folder = row.path.rpartition("/")[0]
    if len(source.rows) == 1:
        yield stems[stem_of(row.path) + suffix]
    if folder and n_series[folder] == 1:
        yield stems[folder + suffix]
        yield folders[folder] if len(folders[folder]) == 1 else []
    for uid in dict.fromkeys([row.series, *(one.sop for one in source.rows[:MAX_SOPS])]):
        if uid and "/" not in uid:
            yield names[uid + suffix]


def _first(candidates: Iterator[list[MaskFile]], source: Source) -> list[MaskFile]:
    """Take the first candidates that are not the image itself."""
    images = {(row.path, row.size, row.mtime_ns) for row in source.rows}
    for found in candidates:
        other = [m for m in found if (m.path, m.size, m.mtime_ns) not in images]
        if other:
            return other
    return []
