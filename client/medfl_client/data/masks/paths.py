"""Masks that say nothing of their image but by their path: NIfTI, NRRD, PNG."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.dicom.header import Row
from medfl_client.data.dicom.kinds import special_kind
from medfl_client.data.masks.files import ENDINGS, PNG, MaskFile
from medfl_client.data.reader import ALL_FRAMES, Source
from medfl_client.data.spelling import composed

MAX_SOPS = 4  # files of a volume whose UIDs may be a mask's name


def by_path(
    sources: Sequence[Source],
    masks: Sequence[MaskFile],
    rules: MaskFiles,
    others: Sequence[Row],
    has_mask: Sequence[bool],
) -> list[list[MaskFile]]:
    """Give the masks of each source; a mask may be of `others` too, which are no source.

    A mask has the path of its image, or of its series' folder, with `rules.suffix` before the
    extension; or it is the only mask in that folder, and the source has none of another kind; or
    its name is the UID of the image or series. A picture is no mask of a volume.
    """
    n_series = _count_series(sources, others)
    every, volumetric = _Masks(masks), _Masks([mask for mask in masks if mask.kind != PNG])
    found = []
    for source, has_other in zip(sources, has_mask, strict=True):
        fitting = volumetric if source.frame == ALL_FRAMES else every
        candidates = _candidates(source, rules.suffix, fitting, n_series, has_other)
        found.append(_first(candidates, source))
    return found


class _Masks:
    """Mask files by their path without extension, by their name, and by their folder."""

    def __init__(self, masks: Sequence[MaskFile]) -> None:
        self.stems: dict[str, list[MaskFile]] = defaultdict(list)
        self.names: dict[str, list[MaskFile]] = defaultdict(list)
        self.folders: dict[str, list[MaskFile]] = defaultdict(list)
        for mask in masks:
            stem = stem_of(mask.path)
            self.stems[stem].append(mask)
            self.names[stem.rpartition("/")[2]].append(mask)
            self.folders[_folder(mask.path)].append(mask)


def stem_of(path: str) -> str:
    """Take the extension off a path, and spell it one way."""
    path = composed(path)
    known = next((end for end in ENDINGS if path.lower().endswith(end)), "")
    return path[: -len(known)] if known else str(PurePosixPath(path).with_suffix(""))


def _folder(path: str) -> str:
    return composed(path).rpartition("/")[0]


def _count_series(sources: Sequence[Source], others: Sequence[Row]) -> dict[str, int]:
    """Count the series, or images without one, in each folder; nobody outlines a scout."""
    series: dict[str, set[str]] = defaultdict(set)
    outlined = [row for row in others if not special_kind(row.image_type)[0]]
    for row in (*(source.rows[0] for source in sources), *outlined):
        series[_folder(row.path)].add(row.series or row.name)
    return {folder: len(found) for folder, found in series.items()}


def _candidates(
    source: Source, suffix: str, masks: _Masks, n_series: dict[str, int], has_other: bool
) -> Iterator[list[MaskFile]]:
    """Give what could be the masks of a source, the likeliest first."""
    row = source.rows[0]
    folder, suffix = _folder(row.path), composed(suffix)
    if len(source.rows) == 1:
        yield masks.stems[stem_of(row.path) + suffix]
    if folder and n_series[folder] == 1:
        yield masks.stems[folder + suffix]
        yield masks.folders[folder] if len(masks.folders[folder]) == 1 and not has_other else []
    for uid in dict.fromkeys([row.series, *(one.sop for one in source.rows[:MAX_SOPS])]):
        if uid and "/" not in uid:
            yield masks.names[uid + suffix]


def _first(candidates: Iterator[list[MaskFile]], source: Source) -> list[MaskFile]:
    """Take the first candidates that are not the image itself."""
    images = {(row.path, row.size, row.mtime_ns) for row in source.rows}
    for found in candidates:
        other = [m for m in found if (m.path, m.size, m.mtime_ns) not in images]
        if other:
            return other
    return []
