"""Whose masks are whose: each image's mask files, or the reason why it has none."""

from collections.abc import Sequence
from dataclasses import dataclass

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.masks.files import MaskFile
from medfl_client.data.reader import Source


@dataclass(frozen=True)
class Joined:
    """The masks of each source, in the order of the sources."""

    masks: list[tuple[MaskFile, ...]]  # empty: it has none, for the reason beside it
    reasons: list[str]  # empty: it has masks
    unused: dict[str, str]  # mask's path -> why no source has it


def join_masks(sources: Sequence[Source], masks: Sequence[MaskFile], rules: MaskFiles) -> Joined:
    """Join mask files to sources; two equal candidates are refused."""
    raise NotImplementedError
