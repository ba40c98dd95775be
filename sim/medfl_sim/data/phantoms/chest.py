"""Chest radiographs: normal, or an opacity."""

from pathlib import Path

from medfl_sim.data.phantoms import KINDS
from medfl_sim.data.radiograph import write_hospitals


@KINDS.register("chest")
def chest(folder: Path, n_sites: int, n_samples: int, seed: int) -> list[Path]:
    """Write hospitals of `n_samples` chest images each."""
    return write_hospitals(folder, n_sites, n_samples, seed)
