"""score.html and score.json: what a trained model reaches on a data set."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.metrics.calibration import Temperature
from medfl_common.metrics.estimates import Estimate
from medfl_common.run.model_file import Reading
from medfl_common.ui.page import Section, Table, render
from medfl_server.reports.sections.calibration import reliability_plot
from medfl_server.reports.sections.data import data_section
from medfl_server.reports.sections.independence import BY_PATIENT
from medfl_server.reports.sections.numbers import interval_in_words, number, with_interval
from medfl_server.reports.sections.uncertainty import NAMES
from medfl_sim.runs.score import AtThreshold, Scored

CALIBRATION = {"loss": "mean loss", "ece": NAMES["ece"], "brier": NAMES["brier"]}
Rows = list[list[str]]


def write_score(out: Path, scored: Scored) -> Path:
    """Write page and numbers into a folder."""
    sections = [_scores(scored), _thresholds(scored), _calibration(scored),
                data_section(scored.read), _how(scored)]  # fmt: skip
    title = f"medfl score: {scored.plan.study}"
    page = render(title, "How good is the model on these data?", answer(scored), sections,
                  __version__)  # fmt: skip
    write_atomic(out / "score.json", json.dumps(_numbers(scored), indent=1).encode())
    write_atomic(out / "score.html", page.encode())
    return out / "score.html"


def answer(scored: Scored) -> str:
    """Say in a sentence which AUC the model has, on what."""
    value, _ = with_interval(scored.scores["auc"])
    images = f"{scored.counts.n} images of {scored.n_patients} patients"
    if value == "n/a":
        return f"The {images} are all of one kind, so no AUC is defined."
    return (
        f"On {images} the model of {scored.plan.study} has an AUC of {value} "
        f"({interval_in_words(scored.scores['auc'])})."
    )


def score_rows(scored: Scored) -> Rows:
    """List every score with its interval."""
    of = scored.plan.evaluation.specificity
    return [
        [NAMES[name].format(specificity=of), *with_interval(one)]
        for name, one in scored.scores.items()
        if name not in CALIBRATION
    ]


def threshold_lines(scored: Scored) -> list[str]:
    """Say in a line each what the model's thresholds reach on these data, and what was said."""
    return [
        f"{one.threshold.name}: sensitivity {_words(one.sensitivity)}, specificity "
        f"{_words(one.specificity)} here; the study: {one.threshold.promise}"
        for one in scored.thresholds
    ]


def _words(estimate: Estimate) -> str:
    value, interval = with_interval(estimate)
    return f"{value} ({interval})"


def _scores(scored: Scored) -> Section:
    header = ["score", "value", "95 % interval"]
    plan = scored.plan
    text = f"At the study's threshold of {plan.evaluation.threshold:g}"
    many = "The class with the highest score is called"
    texts = [f"{many if plan.task.is_one_of_many and plan.task.type != 'binary' else text}."]
    caption = f"n = {scored.counts.n} images"
    table = Table(header, score_rows(scored), caption)
    return Section("Scores", texts, tables=[table])


def _thresholds(scored: Scored) -> Section:
    if not scored.thresholds:
        return Section("The study's thresholds", ["Only a binary task has thresholds by name."])
    header = [
        "threshold", "sensitivity here", "95 % interval", "specificity here", "95 % interval",
        "what the study says of it",
    ]  # fmt: skip
    rows = [_threshold_row(one) for one in scored.thresholds]
    text = "Each threshold is the study's; none was chosen on these data."
    return Section("The study's thresholds", [text], tables=[Table(header, rows, is_text=True)])


def _threshold_row(one: AtThreshold) -> list[str]:
    rates = [*with_interval(one.sensitivity), *with_interval(one.specificity)]
    return [one.threshold.name, *rates, one.threshold.promise]


def _calibration(scored: Scored) -> Section:
    rows = [
        [CALIBRATION[name], *_both(before), *(_both(after) if after else ("n/a", "n/a"))]
        for name, (before, after) in scored.calibration.items()
    ]
    temperature = scored.reading.temperature
    header = ["", "as the network says", "95 % interval", "calibrated", "95 % interval"]
    if temperature is None:
        text = "The model comes without a temperature, so nothing is calibrated."
    else:
        text = (
            f"Calibrated: the log-odds divided by the study's temperature, "
            f"{temperature:.2f}{_alone(scored.reading)}. The first plot is before, the second "
            "after it."
        )
    plots = [reliability_plot(counts, scored.plan)
             for counts in (scored.counts, scored.after) if counts is not None]  # fmt: skip
    title = "Do its probabilities mean what they say?"
    return Section(title, [text], plots, [Table(header, rows)])


def _alone(reading: Reading) -> str:
    """Say what the study's images alone would say, where the temperature is held back."""
    found, fitted = reading.temperature, reading.fitted_temperature
    if found is None or fitted is None or not Temperature(found, fitted).is_held:
        return ""
    return (
        f" (its {reading.n_images} images alone would say {fitted:.2f}; few are believed in part)"
    )


def _how(scored: Scored) -> Section:
    return Section(
        "How it was scored",
        [
            f"{scored.model}, plan {scored.plan.hash()[:8]}. Every labelled image of the data is "
            "scored. medfl cannot know whether the model was trained on some of these patients: "
            "if it was, the scores flatter it.",
            "Intervals: Wilson for shares, DeLong for the AUC of a binary task, else the "
            f"bootstrap. {BY_PATIENT}",
            "The predictions are beside this page: a line per image, for you alone. Research "
            "software, not a medical device: not for diagnosis.",
        ],
    )


def _both(estimate: Estimate) -> Sequence[str]:
    if estimate.low is None:
        return number(estimate.value, estimate.n), ""
    return with_interval(estimate)


def _numbers(scored: Scored) -> dict[str, object]:
    return {
        "version": 1,
        "model": str(scored.model),
        "plan_sha256": scored.plan.hash(),
        "n_images": scored.counts.n,
        "n_patients": scored.n_patients,
        "temperature": scored.reading.temperature,
        "scores": {name: asdict(one) for name, one in scored.scores.items()},
        "calibration": {
            name: {"before": asdict(before), "after": None if after is None else asdict(after)}
            for name, (before, after) in scored.calibration.items()
        },
        "thresholds": [
            {
                "name": one.threshold.name,
                "threshold": one.threshold.chance,
                "sensitivity": asdict(one.sensitivity),
                "specificity": asdict(one.specificity),
            }
            for one in scored.thresholds
        ],
    }
