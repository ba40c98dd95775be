"""A model's predictions as a CSV: a line per sample, each number with all its digits."""

from collections.abc import Sequence
from pathlib import Path

import torch

from medfl_client.data.reader import Source
from medfl_client.model_use.named_thresholds import exact, named_thresholds, threshold_columns
from medfl_client.model_use.out_of_distribution import CANNOT_TELL, Usual, words
from medfl_client.training.losses import log_odds, predicted
from medfl_common.files import write_atomic
from medfl_common.metrics.enough import digits
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import Reading
from medfl_common.ui.spreadsheet import csv_text

Lines = list[dict[str, str]]


def prediction_lines(
    logits: torch.Tensor,
    sources: Sequence[Source],
    plan: Plan,
    reading: Reading,
    usual: Usual | None = None,
    ranks: Sequence[float] = (),
) -> Lines:
    """Give a line per sample: column -> text.

    Args:
        logits: (N, K) of the samples.
        sources: (N,) what they were decoded from.
        plan: The model's.
        reading: The model's calibration and thresholds.
        usual: What is usual where the samples are from; None: nobody can tell.
        ranks: (N,) of the samples by `usual`.
    """
    odds = log_odds(logits, plan)
    plain = torch.sigmoid(odds)
    after = calibrated(odds, plan, reading)
    called = _called(odds, plain, plan)
    thresholds = named_thresholds(plan, reading)
    lines = []
    for i, source in enumerate(sources):
        line = {"file": source.rows[0].name, "frame": str(source.frame), "called": called[i]}
        for k, name in enumerate(_scored_classes(plan)):
            line[f"log-odds {name}"] = exact(odds[i, k])
            line[f"probability {name}"] = exact(plain[i, k])
            line[f"calibrated {name}"] = "" if after is None else exact(after[i, k])
        if plan.task.type != "multiclass" and plan.task.type != "ordinal":
            line["threshold"] = f"{reading.threshold:g}"
        for threshold in thresholds:
            line |= threshold.cells(float(plain[i, 0]))
        line["looks usual"] = CANNOT_TELL
        if usual is not None:
            line["nearer than it"] = f"{ranks[i]:.{digits(usual.n_images)}f}"
            line["looks usual"] = words(usual, ranks[i])
            line["compared with"] = usual.compared_with
        lines.append(line)
    return lines


def refused_lines(refused: dict[str, str]) -> Lines:
    """Give a line for each file without a prediction, with the reason."""
    return [{"file": path, "remark": reason} for path, reason in sorted(refused.items())]


def calibrated(odds: torch.Tensor, plan: Plan, reading: Reading) -> torch.Tensor | None:
    """Divide (N, K) log-odds by the temperature; for exclusive classes make the sum 1 again."""
    if reading.temperature is None:
        return None
    chances = torch.sigmoid(odds / reading.temperature)
    return chances / chances.sum(dim=1, keepdim=True) if plan.task.is_one_of_many else chances


def write_predictions(
    out: Path, lines: Sequence[dict[str, str]], plan: Plan, more: Sequence[str] = ()
) -> None:
    """Write the CSV; `more` are columns after the usual ones."""
    columns = ["file", "frame", "called"]
    for name in _scored_classes(plan):
        columns += [f"log-odds {name}", f"probability {name}", f"calibrated {name}"]
    columns += ["threshold", *threshold_columns(plan), "nearer than it", "looks usual",
                "compared with", "remark"]  # fmt: skip
    columns += more
    rows = [[line.get(name, "") for name in columns] for line in lines]
    write_atomic(out, csv_text([columns, *rows]).encode("utf-8", "backslashreplace"))


def _called(odds: torch.Tensor, plain: torch.Tensor, plan: Plan) -> list[str]:
    if plan.task.type == "multilabel":
        is_called = plain >= plan.evaluation.threshold
        names = plan.task.classes
        return ["|".join(n for n, c in zip(names, row, strict=True) if c) for row in is_called]
    return [plan.task.classes[k] for k in predicted(odds, plan).tolist()]


def _scored_classes(plan: Plan) -> list[str]:
    return plan.task.classes[-1:] if plan.task.type == "binary" else plan.task.classes
