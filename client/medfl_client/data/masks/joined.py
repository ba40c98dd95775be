"""Whose masks are whose: each image's mask files, or the reason why it has none.

DICOM masks lie in the patient's space: the frame of reference joins them, and where several series
share it, the images and the series that the mask names, then its grid. Real structure sets name
series that no image has, so a name that nobody has counts for nothing. Other masks are joined by
their paths (paths.py).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.dicom.header import Row
from medfl_client.data.masks.files import PNG, RTSTRUCT_KIND, SEG_KIND, MaskFile
from medfl_client.data.masks.names import BACKGROUND, IGNORE, class_of
from medfl_client.data.masks.paths import by_path
from medfl_client.data.reader import Source

NO_MASK = "no mask"
TWO_SERIES = "its mask fits another series as well, and names neither of them"
TWO_MASKS = "two masks outline one class of it, and it is not said which counts"
IS_MASK = "it is the mask of another image"
OTHER_PATIENT = "it is another patient's than the images of its frame of reference"
NO_IMAGE = "no image of the plan lies in its frame of reference, or has a UID that it names"
OTHER_SERIES = "it names another series, of which no sample of the plan is"
TWO_IMAGES = "several series lie in its frame of reference, and it names none of them"
TWO_IMAGES_OF_ONE = "its mask is a picture that fits other images as well"
NO_PATH = "no image of the plan has a path, or a UID, that goes with its name"
ONE_OF_TWO = "another mask outlines the same class of the same images"


@dataclass(frozen=True)
class Joined:
    """The masks of each source, in the order of the sources."""

    masks: list[tuple[MaskFile, ...]]  # empty: it has none, for the reason beside it
    reasons: list[str]  # empty: it has masks
    unused: dict[str, str]  # mask's path -> why no source has it


@dataclass(eq=False)
class _Group:
    """The sources of one series: one volume, or its images."""

    places: list[int] = field(default_factory=list)  # among the sources
    sops: set[str] = field(default_factory=set)
    grids: set[tuple[int, int, str]] = field(default_factory=set)
    series: str = ""
    patient: str = ""
    frame: str = ""  # empty: nobody says where it lies
    masks: list[MaskFile] = field(default_factory=list)
    reason: str = ""


def join_masks(
    sources: Sequence[Source],
    masks: Sequence[MaskFile],
    rules: MaskFiles,
    classes: Sequence[str],
    others: Sequence[Row] = (),
) -> Joined:
    """Join mask files to sources; two equal candidates are refused.

    Args:
        sources: The samples of the plan.
        masks: The mask files of the site.
        rules: The site file's words on them.
        classes: The plan's.
        others: Images of the plan's modality in series of which no sample is.
    """
    found: list[tuple[MaskFile, ...]] = [() for _ in sources]
    joined = Joined(found, [NO_MASK for _ in sources], {})
    in_space = [mask for mask in masks if mask.kind in (SEG_KIND, RTSTRUCT_KIND)]
    foreign = {uid for row in others for uid in (row.sop, row.series)}
    _join_space(_Groups(sources), in_space, foreign, partial(_outlined, classes, rules), joined)
    named = [mask for mask in masks if mask.kind not in (SEG_KIND, RTSTRUCT_KIND)]
    _join_paths(sources, named, rules, others, joined)
    _tell_images_from_masks(sources, named, joined)
    return joined


def _tell_images_from_masks(
    sources: Sequence[Source], masks: Sequence[MaskFile], joined: Joined
) -> None:
    """Say of files that could be either what they are: an image with a mask is none itself."""
    known = {(mask.path, mask.size, mask.mtime_ns) for mask in masks}
    used = {(mask.path, mask.size, mask.mtime_ns) for own in joined.masks for mask in own}
    for place, source in enumerate(sources):
        row = source.rows[0]
        file = row.path, row.size, row.mtime_ns
        if joined.reasons[place] == NO_MASK and file in used:
            joined.reasons[place] = IS_MASK
        if file in known and joined.reasons[place] in ("", IS_MASK):
            joined.unused.pop(row.path, None)


def _join_paths(
    sources: Sequence[Source],
    masks: Sequence[MaskFile],
    rules: MaskFiles,
    others: Sequence[Row],
    joined: Joined,
) -> None:
    of_source = by_path(sources, masks, rules, others, [bool(own) for own in joined.masks])
    n_of = Counter(mask.path for own in of_source for mask in own)
    for place, own in enumerate(of_source):
        if not own:
            continue
        has_other = bool(joined.masks[place])
        joined.masks[place], joined.reasons[place] = (), ""
        if len(own) > 1 or has_other:
            joined.reasons[place] = TWO_MASKS
        elif own[0].kind == PNG and n_of[own[0].path] > 1:
            joined.reasons[place] = TWO_IMAGES_OF_ONE
        else:
            joined.masks[place] = tuple(own)
    joined.unused.update({mask.path: NO_PATH for mask in masks if mask.path not in n_of})


def _outlined(classes: Sequence[str], rules: MaskFiles, mask: MaskFile) -> set[str]:
    """Give the classes that a mask outlines, and its names that are not mapped yet."""
    meanings = {name: class_of(name, classes, rules) for name in mask.structures}
    nothing = (BACKGROUND, IGNORE, *classes[:1])
    return {meaning or name for name, meaning in meanings.items() if meaning not in nothing}


def _join_space(
    groups: "_Groups",
    masks: Sequence[MaskFile],
    foreign: set[str],
    outlined: Callable[[MaskFile], set[str]],
    joined: Joined,
) -> None:
    for mask in masks:
        reason = _give(mask, groups, foreign)
        if reason:
            joined.unused[mask.path] = reason
    for group in groups.all:
        reason = group.reason or ("" if group.masks else NO_MASK)
        kept = _without_rivals(group, outlined, joined.unused)
        if not reason and not kept:
            reason = TWO_MASKS
        for place in group.places:
            joined.masks[place] = () if reason else tuple(kept)
            joined.reasons[place] = reason


class _Groups:
    """Sources by what a mask may name."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.all: list[_Group] = []
        self.by_frame: dict[str, list[_Group]] = defaultdict(list)
        self.by_sop: dict[str, list[_Group]] = defaultdict(list)
        known: dict[tuple[str, ...], _Group] = {}
        for place, source in enumerate(sources):
            row = source.rows[0]
            is_placed = bool(row.frame_uid and row.orientation)
            key = (row.patient, row.series, row.frame_uid) if is_placed else (row.name, row.sop)
            group = known.get(key)
            if group is None:
                group = known[key] = _Group(series=row.series, patient=row.patient)
                group.frame = row.frame_uid if is_placed else ""
                self.all.append(group)
                if is_placed:
                    self.by_frame[row.frame_uid].append(group)
            group.places.append(place)
            for one in source.rows:
                group.grids.add((one.height, one.width, one.orientation))
                if one.sop not in group.sops:
                    group.sops.add(one.sop)
                    self.by_sop[one.sop].append(group)


def _give(mask: MaskFile, groups: _Groups, foreign: set[str]) -> str:
    """Give a mask to the group it is of; the reason where there is none, or more than one."""
    candidates = [group for uid in mask.frames for group in groups.by_frame.get(uid, [])]
    if not candidates:
        named = (group for uid in mask.refers for group in groups.by_sop.get(uid, []))
        candidates = [group for group in named if not (mask.frames and group.frame)]
    candidates = list(dict.fromkeys(candidates))
    own = [g for g in candidates if not mask.patient or g.patient == mask.patient]
    if candidates and not own:
        return OTHER_PATIENT
    if not own:
        return NO_IMAGE
    if foreign & set(mask.refers) and not any(_names(mask, group) for group in own):
        return OTHER_SERIES
    best = _narrowed(mask, own)
    if len(best) > 1:
        for group in best:
            group.reason = TWO_SERIES
        return TWO_IMAGES
    best[0].masks.append(mask)
    return ""


def _names(mask: MaskFile, group: _Group) -> bool:
    """Say whether a mask names images, or the series, of a group."""
    return bool((group.sops | {group.series}) & set(mask.refers))


def _narrowed(mask: MaskFile, groups: list[_Group]) -> list[_Group]:
    """Keep the groups whose images the mask names; else whose series; else whose grid it has."""
    refers = set(mask.refers)
    for keep in (
        [group for group in groups if group.sops & refers],
        [group for group in groups if group.series in refers],
        [group for group in groups if mask.grid[0] and mask.grid in group.grids],
    ):
        if len(groups) > 1 and keep:
            groups = keep
    return groups


def _without_rivals(
    group: _Group, outlined: Callable[[MaskFile], set[str]], unused: dict[str, str]
) -> list[MaskFile]:
    """Keep the masks of a group that outline different classes.

    Of two that outline one class, whatever they call it, the one counts that names the group's
    images; else neither, and then none of the group is used: half of the truth is none.
    """
    by_class: dict[str, list[MaskFile]] = defaultdict(list)
    for mask in group.masks:
        for name in outlined(mask):
            by_class[name].append(mask)
    lost = set[str]()
    for rivals in by_class.values():
        naming = [mask for mask in rivals if _names(mask, group)]
        if len(rivals) > 1 and len(naming) == 1:
            lost |= {mask.path for mask in rivals if mask is not naming[0]}
        elif len(rivals) > 1:
            unused.update({mask.path: ONE_OF_TWO for mask in group.masks})
            return []
    unused.update(dict.fromkeys(lost, ONE_OF_TWO))
    return [mask for mask in group.masks if mask.path not in lost]
