"""Did joining help? Score three models on each hospital's test images: a table and a page.

Where no hospital is large enough for a test part, the validation images take its place.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_client.data.dataset import Examples, Indices, SiteData
from medfl_client.task.site import Site
from medfl_client.training.losses import log_odds
from medfl_common.files import write_atomic
from medfl_common.metrics.clusters import FEWEST_PATIENTS, images_by_patient
from medfl_common.metrics.counts import in_bins
from medfl_common.metrics.design_effects import count_behind
from medfl_common.plan.plan import Plan
from medfl_common.run.folder import RunFolder
from medfl_common.seeds import numpy_generator
from medfl_server.study.run_directory import Study, open_study
from medfl_sim.runs.baselines import POOLED, alone_folder, pooled_folder
from medfl_sim.runs.finished_model import FinishedModel

ALL = "all hospitals"
MODELS = ("federated", "alone", "pooled")
N_DRAWS = 500  # of the bootstrap
SEED = 20260101  # of the draws: the same scores give the same intervals

Floats = NDArray[np.float64]
ScoredPart = Literal["validation", "test"]


@dataclass(frozen=True)
class Difference:
    """The federated AUC, Dice or FROC minus another's, with its 95 % interval; None: undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> str:
        """Return the verdict that the interval allows."""
        if self.value is None or self.low is None or self.high is None:
            return "cannot be said"
        if self.low > 0:
            return "helped"
        return "harmed" if self.high < 0 else "no clear difference"


@dataclass(frozen=True)
class Row:
    """One hospital, or all: the number of images, and each model's AUC on those of one part."""

    name: str
    n_trained: int
    n_scored: int
    auc: dict[str, float | None]  # by MODELS; `alone` over all hospitals: each at its own
    helped: Difference  # federated minus alone
    to_pooled: Difference  # federated minus pooled
    part: ScoredPart = "validation"  # of the data, that is scored
    score: str = "AUC"  # what `auc` holds: that, or Dice or FROC


def models_at(
    study: Study, sites: Mapping[str, Site]
) -> Iterator[tuple[str, Site, list[tuple[FinishedModel, str]]]]:
    """Go through the hospitals; give of each the models as in MODELS, each with its own layers."""
    federated = FinishedModel(study)
    pooled = FinishedModel(open_study(pooled_folder(study)))
    for name, site in sites.items():
        alone = FinishedModel(open_study(alone_folder(study, name)))
        yield name, site, [(federated, name), (alone, name), (pooled, POOLED)]


def compare(study: Study, sites: Mapping[str, Site]) -> list[Row]:
    """Score the three models at every hospital, and keep the table; the last row is over all."""
    part = scored_part(sites, study.plan)
    rows, kept, n_before = [], [], 0
    for name, site, models in models_at(study, sites):
        data, odds, targets = site.data(study.plan), [], torch.zeros(0)
        for model, local in models:
            logits, targets = model.score(images_of(data, part), site.device, local)
            odds.append(log_odds(logits, study.plan).numpy())
        kept.append((np.stack(odds), targets.numpy(), n_before + patients_of(data, part)))
        n_before = int(kept[-1][2].max(initial=n_before)) + 1
        rows.append(auc_row(name, len(data.train), *kept[-1][:2], part, kept[-1][2]))
    n = sum(row.n_trained for row in rows)
    scored, truths, whose = zip(*kept, strict=True)
    together = np.concatenate(scored, axis=1), np.concatenate(truths)
    rows.append(auc_row(ALL, n, *together, part, np.concatenate(whose)))
    keep_rows(study, rows)
    return rows


def keep_rows(study: Study, rows: Sequence[Row]) -> None:
    """Keep the table in the run directory."""
    text = json.dumps([asdict(row) for row in rows], indent=1)
    write_atomic(study.files.comparison, text.encode())


def scored_part(sites: Mapping[str, Site], plan: Plan) -> ScoredPart:
    """Say on which part models are compared: the test part, if any hospital has one."""
    return "test" if any(len(site.data(plan).test) for site in sites.values()) else "validation"


def images_of(data: SiteData, part: ScoredPart) -> Examples:
    """Give the images of a part; a hospital that only scores has but a test part."""
    return data.test if _is_test(data, part) else data.validation


def patients_of(data: SiteData, part: ScoredPart) -> Indices:
    """Give whose the images of `images_of` are."""
    return data.patients["test" if _is_test(data, part) else "validation"]


def _is_test(data: SiteData, part: ScoredPart) -> bool:
    return part == "test" or not len(data.validation)


def read_comparison(folder: Path) -> list[Row]:
    """Read the kept table; empty if there is none. An earlier version's is of validation images."""
    if not RunFolder(folder).comparison.exists():
        return []
    return [
        Row(**{
            **{"n_scored" if key == "n_validation" else key: v for key, v in facts.items()},
            "helped": Difference(**facts["helped"]),
            "to_pooled": Difference(**facts["to_pooled"]),
        })
        for facts in json.loads(RunFolder(folder).comparison.read_text())
    ]  # fmt: skip


def auc_row(
    name: str,
    n_trained: int,
    odds: Floats,
    targets: NDArray[np.float32],
    part: ScoredPart = "validation",
    patients: Indices | None = None,
) -> Row:
    """Compare the AUCs of the models, by (M, N, K) log-odds and (N, K) targets."""
    places = in_bins(odds)
    areas = _areas(places, targets)
    draws = _draws(places, targets, patients)
    return Row(
        name=name,
        n_trained=n_trained,
        n_scored=len(targets),
        auc=dict(zip(MODELS, areas, strict=True)),
        helped=_difference(places[[0, 1]], areas[:2], draws[:, 0] - draws[:, 1]),
        to_pooled=_difference(places[[0, 2]], areas[::2], draws[:, 0] - draws[:, 2]),
        part=part,
    )


def difference(
    one: Floats, other: Floats, targets: NDArray[np.float32], patients: Indices | None = None
) -> Difference:
    """Compare the AUCs of two models on the same images.

    Args:
        one: (N, K) log-odds, (N, 1) of a binary task.
        other: The other model's.
        targets: (N, K).
        patients: (N,) whose images they are; None: each another patient's.
    """
    places = in_bins(np.stack([one, other]))  # as the sites' histograms: one AUC on all pages
    areas, draws = _areas(places, targets), _draws(places, targets, patients)
    return _difference(places, areas, draws[:, 0] - draws[:, 1])


def _difference(places: Indices, areas: list[float | None], drawn: Floats) -> Difference:
    """Compare two models; draws that are all alike say how sure it is only of models that are."""
    known, (one, other) = drawn[np.isfinite(drawn)], areas
    if one is None or other is None:
        return Difference(None)
    value = one - other
    is_blind = known.size > 0 and np.ptp(known) == 0 and not np.array_equal(*places)
    if len(known) < N_DRAWS / 2 or is_blind:
        return Difference(value)
    low, high = np.percentile(known, [2.5, 97.5])
    return Difference(value, min(float(low), value), max(float(high), value))


def drawn_images(patients: Indices) -> Iterator[Indices]:
    """Draw patients with replacement, each with all images; none from too few with several."""
    rng, images = numpy_generator(SEED, "comparison"), images_by_patient(patients)
    n = len(images)
    is_few = n < 2 or (n < len(patients) and n < FEWEST_PATIENTS)
    for _ in range(0 if is_few else N_DRAWS):
        yield np.concatenate([images[i] for i in rng.integers(0, n, n)])


def difference_of_draws(one: float | None, other: float | None, drawn: Floats) -> Difference:
    """Compare two models of masks or boxes by (N_DRAWS,) differences."""
    known = drawn[np.isfinite(drawn)]
    if one is None or other is None:
        return Difference(None)
    value = one - other
    if len(known) < N_DRAWS / 2:
        return Difference(value)
    low, high = np.percentile(known, [2.5, 97.5])
    return Difference(value, min(float(low), value), max(float(high), value))


def _draws(odds: Indices, targets: NDArray[np.float32], patients: Indices | None = None) -> Floats:
    """Return (N_DRAWS, M) AUCs of patients drawn with replacement, the same draws for every model.

    A patient brings all images. NaN if a draw holds only one class; no draws from too few patients.
    Efron, Tibshirani: An Introduction to the Bootstrap.
    """
    rng = numpy_generator(SEED, "comparison")
    whose = np.arange(len(targets)) if patients is None else patients
    images, kind = images_by_patient(whose), np.where(np.isnan(targets), -1, targets > 0.5)
    n, found = len(images), []
    is_few = n < len(targets) and count_behind(kind, whose).of("auc") < FEWEST_PATIENTS
    for _ in range(N_DRAWS if n and not is_few else 0):
        drawn = np.concatenate([images[i] for i in rng.integers(0, n, n)])
        areas = _areas(odds[:, drawn], targets[drawn])
        found.append([np.nan if area is None else area for area in areas])
    return np.array(found, dtype=np.float64).reshape(-1, len(odds))


def _areas(odds: Indices, targets: NDArray[np.float32]) -> list[float | None]:
    """Return each model's AUC, the mean over classes: (M, N, K) scores, (N, K) targets or NaN.

    The share of pairs in the right order, by ranks. Hanley, McNeil: Radiology 143:29 (1982).
    """
    from scipy.stats import rankdata  # a second to import

    found: list[list[float]] = [[] for _ in odds]
    for k in range(targets.shape[1]):
        is_known = ~np.isnan(targets[:, k])
        truth = targets[is_known, k] > 0.5
        n_with, n_without = int(truth.sum()), int((~truth).sum())
        if not n_with or not n_without:
            continue
        ranks = rankdata(odds[:, is_known, k], axis=1)
        beaten = ranks[:, truth].sum(axis=1) - n_with * (n_with + 1) / 2
        for areas, count in zip(found, beaten, strict=True):
            areas.append(float(count / (n_with * n_without)))
    return [float(np.mean(areas)) if areas else None for areas in found]
