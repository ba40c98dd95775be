"""Did joining help a segmentation? Three models' Dice on the same images of each hospital."""

from collections.abc import Mapping

import numpy as np

from medfl_client.data.dataset import Indices
from medfl_client.task.site import Site
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


def compare_masks(study: Study, sites: Mapping[str, Site]) -> list[Row]:
    """Score the three models at every hospital, and keep the table; the last row is over all."""
    part = scored_part(sites, study.plan)
    rows, kept, n_before = [], [], 0
    for name, site, models in models_at(study, sites):
        data = site.data(study.plan)
        images = images_of(data, part)
        dice = np.stack([one.case_dice(images, site.device, local) for one, local in models])
        kept.append((dice, n_before + patients_of(data, part)))
        n_before = int(kept[-1][1].max(initial=n_before)) + 1
        rows.append(mask_row(name, len(data.train), dice, kept[-1][1], part))
    scored, whose = zip(*kept, strict=True)
    n = sum(row.n_trained for row in rows)
    together = np.concatenate(scored, axis=1)
    rows.append(mask_row(ALL, n, together, np.concatenate(whose), part))
    keep_rows(study, rows)
    return rows


def mask_row(
    name: str, n_trained: int, dice: Floats, patients: Indices, part: ScoredPart = "validation"
) -> Row:
    """Compare the Dice of the models, (M, N, F) by image and class, NaN where it is not."""
    found, draws = mean_dice(dice), _draws(dice, patients)
    return Row(
        name=name,
        n_trained=n_trained,
        n_scored=dice.shape[1],
        auc=dict(zip(MODELS, found, strict=True)),
        helped=difference_of_draws(found[0], found[1], draws[:, 0] - draws[:, 1]),
        to_pooled=difference_of_draws(found[0], found[2], draws[:, 0] - draws[:, 2]),
        part=part,
        score="Dice",
    )


def mean_dice(dice: Floats) -> list[float | None]:
    """Give each model's Dice: the mean over classes of the mean over images that have them."""
    known = ~np.isnan(dice[0])
    is_there = known.any(axis=0)
    if not is_there.any():
        return [None for _ in dice]
    sums = np.nansum(dice, axis=1)[:, is_there]
    return [float(value) for value in (sums / known.sum(axis=0)[is_there]).mean(axis=1)]


def _draws(dice: Floats, patients: Indices) -> Floats:
    """Give (N_DRAWS, M) Dice of patients drawn with replacement, the same for every model."""
    found = []
    for drawn in drawn_images(patients):
        values = mean_dice(dice[:, drawn])
        found.append([np.nan if value is None else value for value in values])
    return np.array(found, dtype=np.float64).reshape(-1, len(dice))
