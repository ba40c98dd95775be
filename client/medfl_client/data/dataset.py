"""Images and targets in memory order, split by patient, as batches on the device."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_client.data.parts import Part
from medfl_common.metrics.participants import Participants
from medfl_common.metrics.site_statistics import SiteStatistics
from medfl_common.models.input_scale import CENTRE, SPREAD
from medfl_common.models.network import layout
from medfl_common.plan.plan import Plan

Indices = NDArray[np.int64]


class Examples(Protocol):
    """Inputs of a network, with targets."""

    @property
    def targets(self) -> torch.Tensor:
        """Give (N, K) float32; NaN where unknown."""

    @property
    def is_images(self) -> bool:
        """Say whether a batch is images, which may be changed at random."""

    @property
    def has_own_shapes(self) -> bool:
        """Say whether each image has a size of its own: whole ones then go alone."""

    def __len__(self) -> int:
        """Count the images."""

    def order(self, generator: torch.Generator) -> torch.Tensor:
        """Draw the order of one epoch."""

    def chosen(self, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Turn positions of images (M,) into what `batches` takes."""

    def batches(
        self, order: torch.Tensor, batch_size: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Go through what is in `order` in batches; the last may be smaller.

        Beside the inputs stand the targets (B, K), or of images with masks these, (B, [D,] S, S),
        or of images with boxes these, (B, M, 1 + 2 d).
        """


class Batches:
    """How examples are gone through, whatever they are."""

    @property
    def is_images(self) -> bool:
        """Say whether a batch is pictures."""
        return True

    @property
    def has_own_shapes(self) -> bool:
        """Say that all have one size."""
        return False

    def __len__(self) -> int:
        """Count the images."""
        raise NotImplementedError

    def batch(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give inputs and targets at some positions."""
        raise NotImplementedError

    def chosen(self, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Take the images as they are."""
        return index

    def order(self, generator: torch.Generator) -> torch.Tensor:
        """Draw the order of one epoch."""
        return self.chosen(torch.randperm(len(self), generator=generator), generator)

    def batches(
        self, order: torch.Tensor, batch_size: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Go through the positions in `order` in batches; the last may be smaller.

        Of images with sizes of their own, what has more than a position is a patch.
        """
        batch_size = 1 if self.has_own_shapes and order.dim() == 1 else batch_size
        for start in range(0, len(order), batch_size):
            yield self.batch(order[start : start + batch_size])


def as_input(raw: NDArray[np.generic], channels: int) -> torch.Tensor:
    """Turn records (B, 1 or 3, [D,] S, S) into what a network takes; float32 is taken as it is."""
    pixels = torch.from_numpy(raw if raw.dtype == np.float32 else raw.astype(np.float32))
    if raw.dtype != np.float32:
        highest = float(np.iinfo(raw.dtype).max)  # type: ignore[type-var]
        pixels.div_(highest * SPREAD).sub_(CENTRE / SPREAD)
    pixels = pixels.expand(-1, channels, *pixels.shape[2:])
    return pixels.contiguous(memory_format=layout(pixels.dim()))


@dataclass(frozen=True)
class ImageSet(Batches):
    """Some rows of a cache, with their targets.

    pixels: (N_cache, C, [D,] S, S) uint8 or uint16, usually memory-mapped; float32 is taken as it
        is. C is 1, or 3 where colour is kept.
    rows: (N,) which of them belong to this set.
    targets: (N, K) float32, NaN = unknown; binary: K = 1; multiclass: one-hot.
    channels: What the network takes; grey is repeated.
    """

    pixels: NDArray[np.generic]
    rows: Indices
    targets: torch.Tensor
    channels: int = 1

    def __len__(self) -> int:
        """Count the images."""
        return len(self.rows)

    def batch(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give (B, channels, [D,] S, S) float32 and (B, K) targets of some positions in the set."""
        raw = np.asarray(self.pixels[self.rows[index.numpy()]])
        return as_input(raw, self.channels), self.targets[index]


@dataclass(frozen=True)
class MaskedImages(ImageSet):
    """Images with a mask each.

    masks: (N_cache, [D,] S, S) uint8 places in the plan's classes, or UNKNOWN_VOXEL.
    mask_rows: (N,) which of them belong to this set.
    targets: (N, K) float32 whether a mask has a class, NaN where nobody says.
    """

    masks: NDArray[np.generic] = field(kw_only=True)
    mask_rows: Indices = field(kw_only=True)

    def batch(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give (B, channels, [D,] S, S) float32 and (B, [D,] S, S) uint8 of some positions."""
        pixels, _ = super().batch(index)
        return pixels, torch.from_numpy(np.array(self.masks[self.mask_rows[index.numpy()]]))


@dataclass(frozen=True)
class BoxedImages(ImageSet):
    """Images with boxes.

    boxes: (N, M, 1 + 2 d) float32 in the order of `rows`: the class's place in the plan, the
        centre ([z,] y, x) and the sides ([d,] h, w), in pixels of the network's input, whose first
        pixel reaches from 0 to 1. M is the most that an image has; NaN where one has fewer. A row
        of a class and NaN says that nobody knows of that class.
    targets: (N, K) float32 whether an image has a box of each class; NaN where nobody knows.
    """

    boxes: torch.Tensor = field(kw_only=True)

    def batch(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give (B, channels, [D,] S, S) float32 and (B, M, 1 + 2 d) of some positions."""
        pixels, _ = super().batch(index)
        return pixels, self.boxes[index]


@dataclass(frozen=True)
class SiteData:
    """What one site trains on, validates on and tests on; no patient is in two of them."""

    train: Examples
    validation: Examples  # chooses the round, the temperature and the thresholds
    test: Examples  # scores the final model; it chooses nothing
    describe: Callable[[], SiteStatistics] | None = None  # counts all, before suppression
    participants: Callable[[], Participants] | None = None  # likewise, by reason and by part
    # validation or test -> kind of group -> (N,) which of the kind's groups each image belongs to
    groups: Mapping[str, Mapping[str, Indices]] = field(default_factory=dict)
    # `train`, `validation` or `test` -> (N,) the number of the patient of each image
    patients: Mapping[str, Indices] = field(default_factory=dict)
    pseudonyms: Sequence[str] = ()  # of the patients, by number; they stay here
    # `train`, `validation` or `test` -> a patient's pseudonym -> hash of the images' names
    members: Callable[[], dict[str, dict[str, str]]] | None = None
    sides: Mapping[str, Part] = field(default_factory=dict)  # key of a patient -> part
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def of(self, part: Part) -> Examples:
        """Give a part."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[part]


def encode_targets(targets: Sequence[tuple[float, ...]], plan: Plan) -> torch.Tensor:
    """Give (N, K) float32: 0 or 1 for binary, one-hot for multiclass, NaN where unknown.

    Of a segmentation: whether a mask has each class; each has the background. Of a detection:
    whether an image has a box of each class.
    """
    task = plan.task
    width = len(task.foreground) if task.has_several else 1
    values = torch.tensor(list(targets), dtype=torch.float32).reshape(len(targets), width)
    if task.has_masks:
        return torch.cat([torch.ones(len(values), 1), values], dim=1)
    if not task.is_one_of_many:
        return values
    return torch.nn.functional.one_hot(values[:, 0].long(), len(task.classes)).float()
