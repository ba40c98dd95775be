"""A trained model on any data set: scores, calibration, the study's thresholds, predictions.

Nothing is written into the data: all that is made goes to the output folder and the cache.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from medfl_client.config.folder import SiteFolder
from medfl_client.data.dataset import Indices
from medfl_client.data.examples import examples
from medfl_client.data.ingest import Watch
from medfl_client.model_use.named_thresholds import NamedThreshold, named_thresholds
from medfl_client.model_use.predictions import (
    Lines,
    calibrated,
    prediction_lines,
    refused_lines,
    write_predictions,
)
from medfl_client.task.session import use_threads
from medfl_client.task.site import choose_device
from medfl_client.training.evaluate import count_scores, exact_auc
from medfl_client.training.evaluate import score as logits_of
from medfl_client.training.losses import log_odds
from medfl_common.errors import ConfigError
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.design_effects import of_share
from medfl_common.metrics.estimates import Estimate, estimates
from medfl_common.metrics.intervals import wilson
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan
from medfl_common.run.events import DataRead
from medfl_common.run.model_file import Reading, load_model
from medfl_server.reports.sections.shared import main_score
from medfl_sim.data.hospitals import Source, facts_of, read_sources
from medfl_sim.data.only_read import refuse_in_data
from medfl_sim.data.sources import SOURCES

LABEL = "label"  # the column after those of `medfl-client predict`


@dataclass(frozen=True)
class AtThreshold:
    """One of the model's thresholds, on these data."""

    threshold: NamedThreshold
    sensitivity: Estimate
    specificity: Estimate


@dataclass(frozen=True)
class Scored:
    """What a model reaches on a data set."""

    model: Path
    plan: Plan
    reading: Reading
    read: DataRead
    n_patients: int
    counts: ScoreCounts
    after: ScoreCounts | None  # at the model's temperature; None: it has none
    scores: Mapping[str, Estimate]
    calibration: Mapping[str, tuple[Estimate, Estimate | None]]  # before and at the temperature
    thresholds: list[AtThreshold]


def score_data(
    model: Path,
    data: Path,
    out: Path,
    site_file: Path | None = None,
    source: str = "dicom",
    cache: Path | None = None,
    watch: Watch | None = None,
) -> Scored:
    """Score a model's folder on a folder with a site.yaml, or a folder of such.

    Writes `predictions.csv` into `out`. Raises ConfigError for masks or boxes, and where `out` or
    `cache` lies in `data`.
    """
    cache = cache or out / "medfl-cache"
    refuse_in_data(data, out, cache)
    plan, network, reading = load_model(model)
    if plan.task.is_dense:
        raise ConfigError(
            f"score gives AUCs, and a {plan.task.type} has none",
            todo=f"read its {main_score(plan)[1]} in the study's report",
        )
    use_threads(plan)
    reader = SOURCES.get(source)()
    sources = read_sources(data.resolve(), plan, site_file, watch, reader, cache)
    found = [_logits(one, network, plan) for one in sources]
    lines = [line for one, (logits, _) in zip(sources, found, strict=True)
             for line in _lines(one, logits, plan, reading, len(sources) > 1)]  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    write_predictions(SiteFolder(out).predictions, lines, plan, [LABEL])
    logits, targets = torch.cat([a for a, _ in found]), torch.cat([b for _, b in found])
    names = [f"{one.name}/{who}" for one in sources for who in one.collection.patients]
    whose = np.unique(names, return_inverse=True)[1].astype(np.int64)
    counts = count_scores(logits, targets, plan, whose)
    after = _after(logits, targets, plan, reading, whose)
    scores = _exact(_estimates(counts, plan), exact_auc(logits, targets, plan))
    return Scored(
        model,
        plan,
        reading,
        DataRead.of({one.name: facts_of(one) for one in sources}),
        len(set(names)),
        counts,
        after,
        scores,
        _calibration(counts, after, plan),
        _at_thresholds(log_odds(logits, plan), targets, plan, reading, whose),
    )


def _logits(source: Source, network: Network, plan: Plan) -> tuple[torch.Tensor, torch.Tensor]:
    found = source.collection
    device = choose_device(source.site_file.compute.device)
    images = examples(found, np.arange(len(found.samples)), plan)
    return logits_of(network.to(device), images, plan, device)


def _lines(
    source: Source, logits: torch.Tensor, plan: Plan, reading: Reading, is_one_of_many: bool
) -> Lines:
    """Give the lines of one folder; of several the file begins with the folder's site."""
    found = source.collection
    lines = prediction_lines(logits, [sample.source for sample in found.samples], plan, reading)
    for line, sample in zip(lines, found.samples, strict=True):
        line[LABEL] = _label(sample.targets, plan)
    lines += refused_lines(found.refused)
    if is_one_of_many:
        lines = [{**line, "file": f"{source.name}/{line['file']}"} for line in lines]
    return lines


def _label(targets: tuple[float, ...], plan: Plan) -> str:
    if plan.task.type != "multilabel":
        return plan.task.classes[int(targets[0])]
    present = zip(plan.task.classes, targets, strict=True)
    return "|".join(name for name, value in present if value == 1)


def _after(
    logits: torch.Tensor, targets: torch.Tensor, plan: Plan, reading: Reading, whose: Indices
) -> ScoreCounts | None:
    """Count the scores of the calibrated probabilities."""
    odds = log_odds(logits, plan)
    chances = calibrated(odds, plan, reading)
    if chances is None or reading.temperature is None:
        return None
    if not plan.task.is_one_of_many:
        return count_scores(odds / reading.temperature, targets, plan, whose)
    return count_scores(torch.log(chances.clamp(min=1e-300)), targets, plan, whose)


def _estimates(counts: ScoreCounts, plan: Plan) -> dict[str, Estimate]:
    return estimates(counts, plan.task.type, plan.evaluation.specificity)


def _exact(found: dict[str, Estimate], area: float | None) -> dict[str, Estimate]:
    """Take the AUC of the scores themselves in place of the histograms'."""
    binned = found["auc"]
    if area is None:
        return found
    if binned.low is None or binned.high is None:
        return found | {"auc": replace(binned, value=area, bound=0.0)}
    low, high = min(binned.low, area), max(binned.high, area)
    return found | {"auc": replace(binned, value=area, low=low, high=high, bound=0.0)}


def _calibration(
    before: ScoreCounts, after: ScoreCounts | None, plan: Plan
) -> dict[str, tuple[Estimate, Estimate | None]]:
    def figures(counts: ScoreCounts) -> dict[str, Estimate]:
        found = _estimates(counts, plan)
        loss = Estimate(counts.loss if counts.n else None, n=counts.n)
        return {"loss": loss, "ece": found["ece"], "brier": found["brier"]}

    later = {} if after is None else figures(after)
    return {name: (value, later.get(name)) for name, value in figures(before).items()}


def _at_thresholds(
    odds: torch.Tensor, targets: torch.Tensor, plan: Plan, reading: Reading, whose: Indices
) -> list[AtThreshold]:
    """Count the images at or above each threshold, as `called` does."""
    chances, truth = torch.sigmoid(odds).numpy()[:, 0], targets.numpy()[:, 0] > 0.5
    return [
        AtThreshold(
            threshold,
            _share(chances[truth] >= threshold.chance, whose[truth]),
            _share(chances[~truth] < threshold.chance, whose[~truth]),
        )
        for threshold in named_thresholds(plan, reading)
    ]


def _share(is_right: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], whose: Indices) -> Estimate:
    n, (effect, n_patients) = len(is_right), of_share(is_right, whose)
    interval = wilson(float(is_right.sum()), n, effect or 1.0)
    if interval is None:
        return Estimate(None)
    return Estimate(float(is_right.mean()), *interval, n).of_patients(
        effect, n_patients, n_patients
    )
