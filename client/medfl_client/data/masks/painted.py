"""Named structures to one array of labels, by the site file's rules."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.masks.content import OUTSIDE_IMAGE, Mask, Notes, Structure
from medfl_client.data.masks.names import BACKGROUND, IGNORE, class_of
from medfl_common.errors import DataError
from medfl_common.plan.task import UNKNOWN_VOXEL

Labels = NDArray[np.uint8]
NOTHING = 0  # the background's place among the classes


@dataclass(frozen=True)
class Painted:
    """The labels of one image on its own grid."""

    labels: Labels  # (D, H, W)
    unmapped: tuple[str, ...]  # names without a class; then nothing is painted


def paint(
    structures: Sequence[Structure],
    shape: tuple[int, int, int],
    classes: Sequence[str],
    rules: MaskFiles,
    notes: Notes,
) -> Painted:
    """Paint each class where its structures are.

    Raises DataError where two classes overlap and no priority says which counts, or where nothing
    is known of the image.
    """
    meant = [(structure, class_of(structure.name, classes, rules)) for structure in structures]
    unmapped = sorted({structure.name for structure, meaning in meant if meaning is None})
    if unmapped:
        return Painted(np.zeros(shape, dtype=np.uint8), tuple(unmapped))
    canvas = _Canvas(shape, classes, rules)
    outlined = set[str]()
    for structure, meaning in meant:
        if meaning is None or meaning == IGNORE:
            continue
        mask = structure.draw()
        if mask is not None:
            outlined.add(meaning)
            canvas.add(mask, meaning)
    if structures and all(meaning == IGNORE for _, meaning in meant):
        raise DataError("its mask outlines no class of the plan")
    n_outside = notes[OUTSIDE_IMAGE]
    if shape[0] == 1:
        del notes[OUTSIDE_IMAGE]  # the other slices of its series have the rest
    elif not outlined and n_outside:
        raise DataError(OUTSIDE_IMAGE)
    unknown = [name for name in classes[1:] if name not in outlined]
    if rules.empty == "unknown" and unknown:
        canvas.forget()
    if (canvas.labels == UNKNOWN_VOXEL).all():
        raise DataError("its mask is empty, and data.masks.empty says unknown")
    return Painted(canvas.labels, ())


class _Canvas:
    """The labels as they are painted, structure by structure, in any order."""

    def __init__(
        self, shape: tuple[int, int, int], classes: Sequence[str], rules: MaskFiles
    ) -> None:
        self.labels = np.zeros(shape, dtype=np.uint8)
        self._classes, self._rank = classes, {name: i for i, name in enumerate(rules.priority)}
        self._background: Mask | None = None  # where a structure says so

    def add(self, mask: Mask, meaning: str) -> None:
        """Paint a structure."""
        place = NOTHING if meaning == BACKGROUND else self._classes.index(meaning)
        if place == NOTHING:
            self._background = mask if self._background is None else self._background | mask
            return
        for other in np.unique(self.labels[mask]):
            if other in (NOTHING, place):
                continue
            both = mask & (self.labels == other)
            if not self._wins(place, int(other), int(both.sum())):
                mask = mask & ~both
        self.labels[mask] = place

    def _wins(self, place: int, other: int, n: int) -> bool:
        one, two = self._classes[place], self._classes[other]
        if one not in self._rank or two not in self._rank:
            first, second = sorted((one, two))
            raise DataError(
                f"masks of {first} and {second} overlap in {n} voxels; data.masks.priority can say "
                "which counts"
            )
        return self._rank[one] < self._rank[two]

    def forget(self) -> None:
        """Make what no structure claims unknown."""
        unclaimed = self.labels == NOTHING
        if self._background is not None:
            unclaimed &= ~self._background
        self.labels[unclaimed] = UNKNOWN_VOXEL
