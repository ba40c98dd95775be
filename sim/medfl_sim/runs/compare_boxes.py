"""Did joining help a detection? Three models' FROC on the same images of each hospital."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from medfl_client.data.dataset import Indices
from medfl_client.task.site import Site
from medfl_common.metrics.box_counts import CENTRE, EXTRA, HIT, UNKNOWN, FoundBoxes
from medfl_common.metrics.box_estimates import at_points, froc_curve
from medfl_common.metrics.counts import Counts
from medfl_server.study.run_directory import Study
from medfl_sim.runs.compare import (
    ALL,
    MODELS,
    Floats,
    Row,
    ScoredPart,
    difference_of_draws,
    drawn_images,
    images_of,
    keep_rows,
    models_at,
    patients_of,
    scored_part,
)

AT_ONCE = 50  # draws


@dataclass(frozen=True)
class ByImage:
    """One model's boxes on N images, for K classes: only what the FROC needs of each.

    boxes: (N, K, 2, N_BOX_BINS) found ones and false ones. truths: (N, K), or UNKNOWN.
    """

    boxes: Counts
    truths: Counts

    @classmethod
    def of_found(cls, found: FoundBoxes) -> Self:
        """Count boxes image by image."""
        outcomes = (HIT, EXTRA)
        each = [
            np.stack([found.by_image_and_rule(k, CENTRE, what) for what in outcomes], axis=1)
            for k in range(found.truths.shape[1])
        ]
        return cls(np.stack(each, axis=1), found.truths)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Put images one after another."""
        boxes, truths = ([getattr(p, name) for p in parts] for name in ("boxes", "truths"))
        return cls(np.concatenate(boxes), np.concatenate(truths))

    @cached_property
    def _flat(self) -> Floats:
        """Give (N, K * 2 * N_BOX_BINS) floats: whole numbers are exact, and BLAS is fast."""
        return self.boxes.reshape(len(self.boxes), -1).astype(np.float64)

    def froc(self, n_times: Counts | None = None) -> float | None:
        """Give the mean over classes of the mean sensitivity, each image so many times."""
        often = np.ones(len(self.truths), np.int64) if n_times is None else n_times
        return self.frocs(often[None])[0]

    def frocs(self, n_times: Counts) -> list[float | None]:
        """Give the same of (T, N) draws, each image so many times."""
        often, is_known = n_times.astype(np.float64), self.truths != UNKNOWN
        n_truths, n_images = n_times @ (self.truths * is_known), n_times @ is_known
        boxes = (often @ self._flat).reshape(-1, *self.boxes.shape[1:]).astype(np.int64)
        return [_mean_froc(*one) for one in zip(boxes, n_truths, n_images, strict=True)]


def _mean_froc(boxes: Counts, n_truths: Counts, n_images: Counts) -> float | None:
    """Give the FROC of (K, 2, N_BOX_BINS) boxes; None without a true one."""
    found = []
    for k in np.flatnonzero(n_truths).tolist():
        hits, extra = boxes[k]
        curve = froc_curve(hits, extra, int(n_truths[k]), int(n_images[k]))
        found.append(np.mean([one.value for one in at_points(*curve)]))
    return float(np.mean(found)) if found else None


def compare_boxes(study: Study, sites: Mapping[str, Site]) -> list[Row]:
    """Score the three models at every hospital, and keep the table; the last row is over all."""
    part = scored_part(sites, study.plan)
    rows: list[Row] = []
    kept: list[list[ByImage]] = []
    whose, n_before = [], 0
    for name, site, models in models_at(study, sites):
        data = site.data(study.plan)
        images = images_of(data, part)
        found = [one.found_boxes(images, site.device, local) for one, local in models]
        kept.append([ByImage.of_found(one) for one in found])
        whose.append(n_before + patients_of(data, part))
        n_before = int(whose[-1].max(initial=n_before)) + 1
        rows.append(box_row(name, len(data.train), kept[-1], whose[-1], part))
    together = [ByImage.joined(own) for own in zip(*kept, strict=True)]
    n = sum(row.n_trained for row in rows)
    rows.append(box_row(ALL, n, together, np.concatenate(whose), part))
    keep_rows(study, rows)
    return rows


def box_row(
    name: str,
    n_trained: int,
    models: Sequence[ByImage],
    patients: Indices,
    part: ScoredPart = "validation",
) -> Row:
    """Compare the FROC of the models, as in MODELS, on the same images."""
    found, draws = [one.froc() for one in models], _draws(models, patients)
    return Row(
        name=name,
        n_trained=n_trained,
        n_scored=len(patients),
        auc=dict(zip(MODELS, found, strict=True)),
        helped=difference_of_draws(found[0], found[1], draws[:, 0] - draws[:, 1]),
        to_pooled=difference_of_draws(found[0], found[2], draws[:, 0] - draws[:, 2]),
        part=part,
        score="FROC",
    )


def _draws(models: Sequence[ByImage], patients: Indices) -> Floats:
    """Give (N_DRAWS, M) FROC of patients drawn with replacement, the same for every model."""
    often = [np.bincount(drawn, minlength=len(patients)) for drawn in drawn_images(patients)]
    found: list[list[float | None]] = []
    for start in range(0, len(often), AT_ONCE):
        some = np.stack(often[start : start + AT_ONCE])
        found += [[*values] for values in zip(*(one.frocs(some) for one in models), strict=True)]
    return np.array(found, dtype=np.float64).reshape(-1, len(models))
