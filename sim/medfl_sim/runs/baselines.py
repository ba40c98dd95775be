"""Baselines without federation: each hospital alone, and all images pooled.

Both are studies of one site with the plan's own loop, rounds and budget, so they stop and resume
like any other: DIR/baselines/alone/SITE and DIR/baselines/pooled are run directories. Each
hospital validates on the same patients in all three; the pooled model never trains on them either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import pad

from medfl_client.data.dataset import Batches, Examples, Indices, SiteData
from medfl_client.data.parts import PARTS
from medfl_client.task.site import Site
from medfl_common.plan.algorithms.fedavg import FEDAVG
from medfl_common.plan.plan import Plan
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce
from medfl_sim.engine.simulation import silent
from medfl_sim.runs.inner_runs import finish, write_inner_plan

POOLED = "pooled"
# One site takes part: no robust rule, no compression, and nobody to hide among.
FEDERATION: dict[str, object] = {
    "strategy": FEDAVG.name, "options": {}, "messages": {}, "min_sites": "all",
    "sites_per_round": None, "statistics": False,
}  # fmt: skip
# What stays in one place needs no noise, so the page tells what noise costs, too.
PRIVACY: dict[str, object] = {"secure_sum": None, "noise": None}


def run_baselines(study: Study, sites: Mapping[str, Site], announce: Announce = silent) -> None:
    """Train each hospital alone and all pooled, or resume it; keep the finished ones."""
    plan_file = write_inner_plan(
        study, study.files.baseline_plan, FEDERATION, {"objective": None}, PRIVACY
    )
    for number, (name, site) in enumerate(sites.items(), start=1):
        finish(alone_folder(study, name), plan_file, {name: site})
        announce(f"trained alone: {name} ({number} of {len(sites)})")
    finish(pooled_folder(study), plan_file, {POOLED: pooled_site(sites)})
    announce(f"trained on the images of all {len(sites)} hospitals in one place")


def alone_folder(study: Study, site: str) -> Path:
    """Return the run directory of one hospital alone."""
    return study.files.baselines / "alone" / site


def pooled_folder(study: Study) -> Path:
    """Return the run directory of the pooled images."""
    return study.files.baselines / POOLED


def pooled_site(sites: Mapping[str, Site]) -> Site:
    """Join all sites into one; each keeps its own split by patients."""

    def data(plan: Plan) -> SiteData:
        parts = [site.data(plan) for site in sites.values()]
        names = [
            f"{site} {own}"
            for site, one in zip(sites, parts, strict=True)
            for own in one.pseudonyms
        ]
        return SiteData(
            Joined([part.train for part in parts]),
            Joined([part.validation for part in parts]),
            Joined([part.test for part in parts]),
            patients=_numbered(parts),
            pseudonyms=names,
        )

    first = next(iter(sites.values()))
    return replace(first, name=POOLED, data=data)


def _numbered(sites: Sequence[SiteData]) -> dict[str, Indices]:
    """Number the patients of several sites one after another."""
    firsts = np.cumsum([0, *(_n_patients(site) for site in sites)])
    return {
        name: np.concatenate(
            [site.patients[name] + first for site, first in zip(sites, firsts, strict=False)]
        )
        for name in PARTS
    }


def _n_patients(site: SiteData) -> int:
    """Count the patients of all parts."""
    return max(1 + int(own.max(initial=-1)) for own in site.patients.values())


@dataclass(frozen=True)
class Joined(Batches):
    """Several sets of examples as one, in order."""

    parts: list[Examples]

    @property
    def is_images(self) -> bool:
        """Say whether a batch holds images."""
        return self.parts[0].is_images

    @property
    def has_own_shapes(self) -> bool:
        """Say whether each image has its own size."""
        return self.parts[0].has_own_shapes

    def chosen(self, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Draw patches where the parts do; a position is one among all."""
        return self.parts[0].chosen(index, generator)

    def __len__(self) -> int:
        """Count the images."""
        return sum(len(part) for part in self.parts)

    @cached_property
    def targets(self) -> torch.Tensor:
        """Join the (N, K) of all parts."""
        return torch.cat([part.targets for part in self.parts])

    @cached_property
    def _ends(self) -> torch.Tensor:
        return torch.tensor([len(part) for part in self.parts]).cumsum(0)

    def batch(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs and targets at some positions, in order."""
        position = index if index.dim() == 1 else index[:, 0].long()
        home = torch.searchsorted(self._ends, position, right=True)
        found, aims, places = [], [], []
        for number in home.bincount().nonzero()[:, 0].tolist():
            here = (home == number).nonzero()[:, 0]
            start = int(self._ends[number]) - len(self.parts[number])
            own = index[here].clone()
            own.reshape(len(here), -1)[:, 0] -= start
            ((pixels, targets),) = self.parts[number].batches(own, len(here))
            found.append(pixels)
            aims.append(targets)
            places.append(here)
        if len(found) == 1:
            return found[0], aims[0]
        order = torch.cat(places).argsort()
        is_flat = found[0].dim() == 4
        memory = torch.channels_last if is_flat else torch.preserve_format
        pixels = torch.cat(found)[order].contiguous(memory_format=memory)
        return pixels, torch.cat(_padded_alike(aims))[order]


def _padded_alike(aims: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Pad the boxes (B, M, 1 + 2 d) of several sets to one M, with NaN; leave what is none."""
    if not (aims[0].dim() == 3 and aims[0].is_floating_point()):  # masks are whole numbers
        return [*aims]
    most = max(aim.shape[1] for aim in aims)
    return [pad(aim, (0, 0, 0, most - aim.shape[1]), value=torch.nan) for aim in aims]
