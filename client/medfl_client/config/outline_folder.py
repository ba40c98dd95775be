"""A folder of mask files: the name of each of its files, once."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OutlineFolder:
    """Mask files of images, from a model, numbered."""

    path: Path

    @property
    def volumes(self) -> Path:
        """Which file is of which image, and how large each class is in it."""
        return self.path / "volumes.csv"
