"""Synthetic hospitals of several kinds, one file per kind; no real patient is in them."""

from collections.abc import Callable
from pathlib import Path

from medfl_common.registry import Registry

# (folder, hospitals, samples at each, seed) -> the hospitals' folders
Write = Callable[[Path, int, int, int], list[Path]]
KINDS: Registry[Write] = Registry("kind", "medfl_sim.data.phantoms")
