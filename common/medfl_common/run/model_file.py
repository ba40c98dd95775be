"""A trained model outside its study: weights, plan, and how to read its scores.

DIR/model.safetensors  every weight
    plan.json          the plan, canonical
    reading.json       calibration and thresholds
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.metrics.counts import MAX_LOGIT, ScoreCounts
from medfl_common.metrics.enough import is_enough
from medfl_common.models import build_model
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights, load_shared
from medfl_common.plan.plan import Plan, load_plan, plan_from_json
from medfl_common.run.folder import RunFolder

WEIGHTS, PLAN, READING = "model.safetensors", "plan.json", "reading.json"


@dataclass(frozen=True)
class Reading:
    """What the scores of a model mean, from validation images.

    Scores are log-odds of each class; divided by the temperature they are calibrated. Guo et al.:
    On Calibration of Modern Neural Networks. ICML 2017. Thresholds are probabilities before that.
    """

    threshold: float  # the plan's
    temperature: float | None = None
    youden: float | None = None  # binary: where sensitivity plus specificity is largest
    at_specificity: float | None = None  # binary: where the plan's specificity is reached
    n_images: int = 0  # that the numbers come from
    sites: int = 0


def read_scores(score_counts: ScoreCounts | None, plan: Plan, n_sites: int) -> Reading:
    """Find temperature and thresholds from counts; without enough, only the plan's threshold."""
    from medfl_common.metrics.calibration import temperature
    from medfl_common.metrics.curves import sensitivity_at, youden_threshold

    if score_counts is None:
        return Reading(plan.evaluation.threshold)
    if not is_enough(score_counts):
        n = score_counts.n
        return Reading(threshold=plan.evaluation.threshold, n_images=n, sites=n_sites)
    positive, negative = score_counts.positive.sum(axis=0), score_counts.negative.sum(axis=0)
    is_binary = plan.task.type == "binary" and positive.any() and negative.any()
    best = youden_threshold(positive, negative) if is_binary else None
    at = sensitivity_at(positive, negative, plan.evaluation.specificity) if is_binary else None
    if (
        at is not None and at[1] >= MAX_LOGIT
    ):  # no positive call there; the histogram clips higher scores
        at = None
    return Reading(
        threshold=plan.evaluation.threshold,
        temperature=temperature(positive, negative),
        youden=_probability(best),
        at_specificity=_probability(at[1]) if at is not None else None,
        n_images=score_counts.n,
        sites=n_sites,
    )


def save_model(folder: Path, plan: Plan, weights: Weights, reading: Reading) -> None:
    """Write a model's folder; the reading comes last, so a folder that has it is whole."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(folder / WEIGHTS, save(weights))
    write_atomic(folder / PLAN, plan.canonical().encode())
    write_atomic(folder / READING, json.dumps(asdict(reading), indent=1).encode())


def load_model(folder: Path) -> tuple[Plan, Network, Reading]:
    """Read the folder of a model or of a finished study into a network that only scores.

    Raises ConfigError if the folder holds no model, or another than its plan's.
    """
    if not (folder / WEIGHTS).exists():
        raise ConfigError(
            f"{folder.resolve()} holds no {WEIGHTS}",
            todo="name the folder of a finished study, of an export, or one under state/models "
            "of a site",
        )
    has_canonical = (folder / PLAN).exists()
    plan = (
        plan_from_json((folder / PLAN).read_text())
        if has_canonical
        else load_plan(RunFolder(folder).plan_file)
    )
    model = build_model(plan)
    try:
        load_shared(model, load((folder / WEIGHTS).read_bytes()))
    except (SafetensorError, KeyError, RuntimeError):
        raise ConfigError(
            f"{folder / WEIGHTS} is not of the plan beside it",
            todo="put weights and plan of one study there",
        ) from None
    reading = Reading(plan.evaluation.threshold)
    if (folder / READING).exists():
        reading = Reading(**json.loads((folder / READING).read_text()))
    return plan, model.eval(), reading


def _probability(log_odds: float | None) -> float | None:
    return None if log_odds is None else float(torch.sigmoid(torch.tensor(log_odds)))
