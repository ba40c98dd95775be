"""Did joining help? Score three models on each hospital's test images: a table and a page.

Where no hospital is large enough for a test part, the validation images take its place.

The simulator has all images, so it scores the models itself: no policy withholds anything.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from medfl_client.task.site import Site
from medfl_client.training.client_state import CLIENT_STATE, NEWEST, RoundStore, read_client_state
from medfl_client.training.evaluate import score
from medfl_client.training.losses import log_odds
from medfl_common.files import write_atomic
from medfl_common.metrics.counts import MAX_LOGIT, N_BINS
from medfl_common.models import build_model
from medfl_common.models.network import Network, layout
from medfl_common.models.weights import load_shared
from medfl_common.run.events import Finished as FinishedEvent
from medfl_common.run.folder import RunFolder
from medfl_common.run.model_file import WEIGHTS
from medfl_common.seeds import numpy_generator
from medfl_server.study.run_directory import Study, open_study
from medfl_sim.runs.baselines import alone_folder, pooled_folder

ALL = "all hospitals"
MODELS = ("federated", "alone", "pooled")
N_DRAWS = 500  # of the bootstrap
SEED = 20260101  # of the draws: the same scores give the same intervals

Floats = NDArray[np.float64]
ScoredPart = Literal["validation", "test"]


@dataclass(frozen=True)
class Difference:
    """The federated AUC minus another's, with its 95 % interval; None if it is undefined."""

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


def compare(study: Study, sites: Mapping[str, Site]) -> list[Row]:
    """Score the three models at every hospital, and keep the table; the last row is over all."""
    federated = Finished(study, study.files.local)
    pooled_study = open_study(pooled_folder(study))
    pooled = Finished(pooled_study, RunFolder(pooled_study.folder).local)
    has_test = any(len(site.data(study.plan).test) for site in sites.values())
    part: ScoredPart = "test" if has_test else "validation"
    rows, kept = [], []
    for name, site in sites.items():
        alone = open_study(alone_folder(study, name))
        models = (federated, Finished(alone, RunFolder(alone.folder).local), pooled)
        n_trained, logits, targets = 0, [], torch.zeros(0, study.plan.task.n_outputs)
        for model, local in zip(models, (name, name, "pooled"), strict=True):
            n_trained, odds, targets = model.score(site, local, part)
            logits.append(odds)
        kept.append((np.stack(logits), targets.numpy()))
        rows.append(_row(name, n_trained, *kept[-1], part))
    together = np.concatenate([s for s, _ in kept], axis=1), np.concatenate([t for _, t in kept])
    rows.append(_row(ALL, sum(row.n_trained for row in rows), *together, part))
    path = study.files.comparison
    write_atomic(path, json.dumps([asdict(r) for r in rows], indent=1).encode())
    return rows


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


class Finished:
    """A finished study's model, for the images of any hospital."""

    def __init__(self, study: Study, local: Path) -> None:
        plan = study.plan
        self._study, self._local = study, local
        is_flat = plan.images.dimensions == 2 or plan.model.slices is not None
        self._model: Network = build_model(plan).to(memory_format=layout(4 if is_flat else 5))
        load_shared(self._model, load_file(study.folder / WEIGHTS))
        self._kept = study.log.read(FinishedEvent)[-1].round

    def score(self, site: Site, local: str, part: ScoredPart) -> tuple[int, Floats, torch.Tensor]:
        """Return the number of training images, (N, K) log-odds and (N, K) targets of a part.

        `local` names the site whose own layers the model has, if it has any; if the algorithm gives
        each site its own model, the study scores that one.
        """
        plan, folder = self._study.plan, self._local / local / self._study.run
        load_shared(self._model, RoundStore(folder).before(self._kept + 1) or {})
        state = read_client_state(RoundStore(folder / CLIENT_STATE), NEWEST)
        load_shared(self._model, state.of("personal"))
        model, data = self._model.to(site.device), site.data(plan)
        n_trained = len(data.train)
        images = data.test if part == "test" else data.validation
        if not len(images):
            empty = torch.zeros(0, plan.task.n_outputs)
            return n_trained, empty.double().numpy(), empty
        logits, targets = score(model, images, plan, site.device)
        return n_trained, log_odds(logits, plan).double().numpy(), targets


def _row(
    name: str,
    n_trained: int,
    odds: Floats,
    targets: NDArray[np.float32],
    part: ScoredPart = "validation",
) -> Row:
    places = _in_bins(odds)
    areas = _areas(places, targets)
    draws = _draws(places, targets)
    return Row(
        name=name,
        n_trained=n_trained,
        n_scored=len(targets),
        auc=dict(zip(MODELS, areas, strict=True)),
        helped=_difference(areas[0], areas[1], draws[:, 0] - draws[:, 1]),
        to_pooled=_difference(areas[0], areas[2], draws[:, 0] - draws[:, 2]),
        part=part,
    )


def _in_bins(odds: Floats) -> Floats:
    """Number the bin of each log-odds, as the sites' histograms have it: one AUC on all pages."""
    clipped = np.clip(odds, -MAX_LOGIT, MAX_LOGIT)
    return np.minimum(np.floor((clipped / MAX_LOGIT + 1) / 2 * N_BINS), N_BINS - 1)


def _difference(one: float | None, other: float | None, drawn: Floats) -> Difference:
    known = drawn[np.isfinite(drawn)]
    if one is None or other is None:
        return Difference(None)
    value = one - other
    if len(known) < N_DRAWS / 2:
        return Difference(value)
    low, high = np.percentile(known, [2.5, 97.5])
    return Difference(value, min(float(low), value), max(float(high), value))


def _draws(odds: Floats, targets: NDArray[np.float32]) -> Floats:
    """Return (N_DRAWS, M) AUCs of images drawn with replacement, the same draws for every model.

    NaN if a draw holds only one class. Efron, Tibshirani: An Introduction to the Bootstrap.
    """
    rng = numpy_generator(SEED, "comparison")
    n, found = len(targets), []
    for _ in range(N_DRAWS if n else 0):
        drawn = rng.integers(0, n, n)
        areas = _areas(odds[:, drawn], targets[drawn])
        found.append([np.nan if area is None else area for area in areas])
    return np.array(found, dtype=np.float64).reshape(-1, len(odds))


def _areas(odds: Floats, targets: NDArray[np.float32]) -> list[float | None]:
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
