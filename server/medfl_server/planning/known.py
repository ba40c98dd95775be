"""What is known before a plan is asked for: counts of hospitals, and an earlier study's plan."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medfl_common.metrics.harmony import Harmony, read_harmony
from medfl_common.metrics.site_statistics import SIDES
from medfl_common.plan.plan import Plan
from medfl_server.reports.heterogeneity import read_statistics
from medfl_server.study.run_directory import Study, open_study


@dataclass
class Known:
    """Hospitals' counts, and the plan of a study that is gone on from."""

    sites: list[Harmony] = field(default_factory=list)
    plan: Plan | None = None

    def total(self, of: str) -> Counter[str]:
        """Add up the hospitals' counts of `labels`, `modality` or `plane`."""
        counts: Counter[str] = Counter()
        for site in self.sites:
            counts.update(getattr(site, of))
        return counts

    def middle(self, of: str) -> int:
        """Give the median hospital's number of `images` or `patients`; 0: nobody told."""
        told = [getattr(site, of) for site in self.sites]
        return int(np.median(told)) if told else 0

    @property
    def middle_side(self) -> int:
        """Give where the band of the median image's longer side begins; -1: nobody told."""
        counts = np.sum([site.sides for site in self.sites], axis=0) if self.sites else np.zeros(1)
        if not counts.sum():
            return -1
        return SIDES[int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))]


def read_known(paths: Sequence[Path]) -> Known:
    """Read hospitals' files, and directories of studies whose sites told statistics.

    Raises ConfigError or RunError for what is neither.
    """
    known = Known()
    for path in paths:
        if path.is_dir():
            study = open_study(path)
            known.plan = study.plan
            known.sites += _told(study)
        else:
            known.sites.append(read_harmony(path))
    return known


def _told(study: Study) -> list[Harmony]:
    """Give what the hospitals of a study told, as their files would."""
    told, _ = read_statistics(study) or ({}, {})
    return [
        Harmony(
            harmony=1,
            site=site,
            images=counts.samples,
            patients=counts.patients,
            series=0,
            labels=dict(zip(study.plan.task.classes, counts.classes, strict=True)),
            modality={},
            plane={},
            sides=list(counts.sides),
        )
        for site, counts in told.items()
    ]
