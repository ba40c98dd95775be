"""A trained model outside its study: weights, plan, and how to read its scores.

DIR/model.safetensors  every weight
    plan.json          the plan, canonical
    reading.json       calibration and thresholds
    graphs/            what the plan brings as data
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.enough import is_enough
from medfl_common.metrics.feature_moments import FeatureMoments
from medfl_common.models import build_model
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights, load_shared
from medfl_common.plan.graph_files import keep, take
from medfl_common.plan.plan import Plan, load_plan, plan_from_json
from medfl_common.plugins.loading import admit
from medfl_common.run.folder import RunFolder

WEIGHTS, PLAN, READING = "model.safetensors", "plan.json", "reading.json"


@dataclass(frozen=True)
class ToldFeatures:
    """What the model sees in the validation images of the sites that tell it."""

    numbers: Sequence[float]  # of medfl_common.metrics.feature_moments
    sites: int
    of_sites: int


@dataclass(frozen=True)
class Reading:
    """What the scores of a model mean, from validation images.

    Scores are log-odds of each class; divided by the temperature they are calibrated. Guo et al.:
    On Calibration of Modern Neural Networks. ICML 2017. Thresholds are probabilities before that.
    """

    threshold: float  # the plan's
    temperature: float | None = None  # pulled to 1 where the images are few
    youden: float | None = None  # binary: where sensitivity plus specificity is largest
    at_specificity: float | None = None  # binary: the plan's specificity, for the next images
    n_images: int = 0  # that the numbers come from
    sites: int = 0
    fitted_temperature: float | None = None  # of the images alone
    # Binary: `threshold`, `youden`, `at_specificity` -> what it reached on these images.
    rates: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    features: ToldFeatures | None = None  # None: plan or policies keep them back


def read_scores(score_counts: ScoreCounts | None, plan: Plan, n_sites: int) -> Reading:
    """Find temperature and thresholds from counts; without enough, only the plan's threshold."""
    from medfl_common.metrics.calibration import temperature
    from medfl_common.metrics.operating_points import points

    threshold = plan.evaluation.threshold
    if score_counts is None:
        return Reading(threshold)
    if not is_enough(score_counts):
        return Reading(threshold=threshold, n_images=score_counts.n, sites=n_sites)
    positive, negative = score_counts.positive.sum(axis=0), score_counts.negative.sum(axis=0)
    is_binary = plan.task.type == "binary" and positive.any() and negative.any()
    found = points(positive, negative, threshold, plan.evaluation.specificity) if is_binary else {}
    chances = {name: _probability(odds) for name, (odds, _) in found.items()}
    fitted = temperature(positive, negative)
    return Reading(
        threshold=threshold,
        temperature=None if fitted is None else fitted.value,
        youden=chances.get("youden"),
        at_specificity=chances.get("at_specificity"),
        n_images=score_counts.n,
        sites=n_sites,
        fitted_temperature=None if fitted is None else fitted.fitted,
        rates={
            name: {"sensitivity": rates.sensitivity, "specificity": rates.specificity}
            for name, (_, rates) in found.items()
        },
    )


def save_model(folder: Path, plan: Plan, weights: Weights, reading: Reading) -> None:
    """Write a model's folder; the reading comes last, so a folder that has it is whole."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(folder / WEIGHTS, save(weights))
    write_atomic(folder / PLAN, plan.canonical().encode())
    keep(plan, folder)
    write_atomic(folder / READING, json.dumps(asdict(reading), indent=1).encode())


def load_model(
    folder: Path, allow: Callable[[Plan], None] = admit
) -> tuple[Plan, Network, Reading]:
    """Read the folder of a model or of a finished study into a network that only scores.

    `allow` imports the plan's plugins; at a hospital it asks the policy first.
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
        plan_from_json((folder / PLAN).read_text(), str(folder / PLAN))
        if has_canonical
        else load_plan(RunFolder(folder).plan_file)
    )
    allow(plan)
    take(plan, folder)
    model = build_model(plan)
    try:
        load_shared(model, load((folder / WEIGHTS).read_bytes()))
    except (SafetensorError, KeyError, RuntimeError):
        raise ConfigError(
            f"{folder / WEIGHTS} is not of the plan beside it",
            todo="put weights and plan of one study there",
        ) from None
    return plan, model.eval(), _reading(folder / READING, plan)


def _reading(path: Path, plan: Plan) -> Reading:
    """Read what scores mean; without the file only the plan's threshold is known."""
    if not path.exists():
        return Reading(plan.evaluation.threshold)
    where = "features.numbers"
    try:
        reading = TypeAdapter(Reading).validate_json(path.read_bytes())
        if reading.features is not None:
            FeatureMoments.of_numbers(reading.features.numbers)
        return reading
    except ValueError as error:
        if isinstance(error, ValidationError):
            where = ".".join(map(str, error.errors()[0]["loc"])) or "its text"
        raise ConfigError(
            f"{path} does not say how to read the model's scores: {where} is wrong",
            todo="take the file that medfl wrote beside the weights, or leave it out",
        ) from None


def _probability(log_odds: float) -> float:
    return float(torch.sigmoid(torch.tensor(log_odds, dtype=torch.float64)))
