"""`medfl-client predict`: a model's predictions for DICOM files, as a CSV at the hospital."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from medfl_client.config.folder import SiteFolder
from medfl_client.config.site_file import SiteFile, load_site_file, site_secret
from medfl_client.data.dataset import ImageSet
from medfl_client.data.ingest import collect
from medfl_client.data.reader import Source
from medfl_client.data.reasons import file_rows
from medfl_client.data.selection import sources_of
from medfl_client.data.site_data import own_data
from medfl_client.data.unindexed import decode, read_headers
from medfl_client.model_use.kept_models import find_model
from medfl_client.model_use.named_thresholds import exact, named_thresholds, threshold_columns
from medfl_client.model_use.out_of_distribution import (
    CANNOT_TELL,
    ENOUGH,
    Familiar,
    features_of,
    learn_usual,
)
from medfl_client.task.session import use_threads
from medfl_client.task.site import choose_device
from medfl_client.training.evaluate import score
from medfl_client.training.losses import log_odds, predicted
from medfl_common.errors import ConfigError, MedflError
from medfl_common.files import write_atomic
from medfl_common.metrics.enough import digits
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import Reading, load_model
from medfl_common.ui.screen import Screen
from medfl_common.ui.spreadsheet import csv_text


def predict(folder: Path, name: str, paths: Sequence[Path], out: Path, screen: Screen) -> None:
    """Write a line per sample: log-odds, probabilities, predictions, how usual it looks.

    An unreadable file gets a line with the reason. Nothing leaves the site.
    """
    _refuse_no_place(out)
    site = load_site_file(folder)
    plan, model, reading = load_model(find_model(folder, name))
    if plan.images.sample == "candidate":
        raise ConfigError(
            "the model scores candidates at given positions; predict takes whole files"
        )
    use_threads(plan)
    device = choose_device(site.compute.device)
    model = model.to(device)
    rows = read_headers(
        paths, site_secret(SiteFolder(folder).state), screen.watch("read the headers of")
    )
    sources, refused = sources_of(rows, site.data, plan, Path("/"))
    pixels, kept, faults = decode(sources, plan.images)
    refused |= faults
    lines = [{"file": path, "remark": reason} for path, reason in sorted(refused.items())]
    if kept:
        nothing = torch.full((len(kept), plan.task.n_outputs), torch.nan)
        images = ImageSet(pixels, np.arange(len(kept)), nothing, plan.images.channels)
        usual = _usual(folder, site, plan, model, device, screen)
        lines = _lines(model, images, kept, plan, reading, usual, device) + lines
    _write(out, lines, plan)
    n_used = len({row.name for source in kept for row in source.rows})
    screen.table(["files", "what became of them"], file_rows(n_used, refused))
    screen.say(f"{len(kept)} scored, {len(refused)} files not, each with its reason: {out}")
    if reading.temperature is None:
        screen.say("the model has no calibration; the calibrated columns are empty")
    for threshold in named_thresholds(plan, reading):
        screen.say(f"{threshold.name}, {threshold.promise}")
    screen.say("research software, not a medical device: not for diagnosis")


def _refuse_no_place(out: Path) -> None:
    """Raise ConfigError before any work where the file cannot be written."""
    if out.is_dir() or not os.access(out.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"{out} cannot be written", todo="name another file with --out")


def _usual(
    folder: Path, site: SiteFile, plan: Plan, model: Network, device: torch.device, screen: Screen
) -> Familiar | None:
    """Learn what is usual from the site's own images of the plan, where it has them."""
    state = SiteFolder(folder).state
    try:
        found = collect(folder, state, site.data, plan, screen.watch)
    except MedflError as error:
        screen.say(f"predict cannot say whether images look usual: {error}")
        return None
    data = own_data(state, site, found, plan)
    usual = learn_usual(model, data.train, data.validation, plan, device)
    if usual is None:
        screen.say("predict cannot say whether images look usual: the site has too few images")
    elif not usual.is_enough:
        screen.say(
            f"predict cannot say whether images look usual: the site has {len(usual.usual)} "
            f"validation images, and 1 in 100 takes {ENOUGH}"
        )
    return usual


def _lines(
    model: Network,
    images: ImageSet,
    sources: Sequence[Source],
    plan: Plan,
    reading: Reading,
    usual: Familiar | None,
    device: torch.device,
) -> list[dict[str, str]]:
    logits, _ = score(model, images, plan, device)
    odds = log_odds(logits, plan)
    plain = torch.sigmoid(odds)
    calibrated = _calibrated(odds, plan, reading)
    ranks = []
    if usual is not None:
        ranks = usual.rank(features_of(model, images, plan, device)).tolist()
    called = _called(odds, plain, plan)
    thresholds = named_thresholds(plan, reading)
    lines = []
    for i, source in enumerate(sources):
        line = {"file": source.rows[0].path, "frame": str(source.frame), "called": called[i]}
        for k, name in enumerate(_scored_classes(plan)):
            line[f"log-odds {name}"] = exact(odds[i, k])
            line[f"probability {name}"] = exact(plain[i, k])
            line[f"calibrated {name}"] = "" if calibrated is None else exact(calibrated[i, k])
        if plan.task.type != "multiclass" and plan.task.type != "ordinal":
            line["threshold"] = f"{reading.threshold:g}"
        for threshold in thresholds:
            line |= threshold.cells(float(plain[i, 0]))
        line["looks usual"] = CANNOT_TELL
        if usual is not None:
            line["nearer than it"] = f"{ranks[i]:.{digits(len(usual.usual))}f}"
            line["looks usual"] = usual.words(ranks[i])
        lines.append(line)
    return lines


def _calibrated(odds: torch.Tensor, plan: Plan, reading: Reading) -> torch.Tensor | None:
    """Divide (N, K) log-odds by the temperature; for exclusive classes make the sum 1 again."""
    if reading.temperature is None:
        return None
    chances = torch.sigmoid(odds / reading.temperature)
    return chances / chances.sum(dim=1, keepdim=True) if plan.task.is_one_of_many else chances


def _called(odds: torch.Tensor, plain: torch.Tensor, plan: Plan) -> list[str]:
    if plan.task.type == "multilabel":
        is_called = plain >= plan.evaluation.threshold
        names = plan.task.classes
        return ["|".join(n for n, c in zip(names, row, strict=True) if c) for row in is_called]
    return [plan.task.classes[k] for k in predicted(odds, plan).tolist()]


def _scored_classes(plan: Plan) -> list[str]:
    return plan.task.classes[-1:] if plan.task.type == "binary" else plan.task.classes


def _write(out: Path, lines: Sequence[dict[str, str]], plan: Plan) -> None:
    columns = ["file", "frame", "called"]
    for name in _scored_classes(plan):
        columns += [f"log-odds {name}", f"probability {name}", f"calibrated {name}"]
    columns += ["threshold", *threshold_columns(plan), "nearer than it", "looks usual", "remark"]
    rows = [[line.get(name, "") for name in columns] for line in lines]
    write_atomic(out, csv_text([columns, *rows]).encode("utf-8", "backslashreplace"))
