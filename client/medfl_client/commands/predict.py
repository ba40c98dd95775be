"""`medfl-client predict`: a model's predictions for DICOM files, as a CSV at the hospital."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from medfl_client.commands.predict_boxes import (
    ENDS,
    BoxKind,
    Way,
    box_kind,
    refuse_no_boxes,
    write_boxes,
)
from medfl_client.commands.predict_masks import (
    author_of,
    mask_kind,
    refuse_no_outlines,
    write_outlines,
)
from medfl_client.config.folder import SiteFolder
from medfl_client.config.secret_keys import site_secret
from medfl_client.config.site_file import DataFiles, SiteFile, load_site_file
from medfl_client.data.dataset import ImageSet
from medfl_client.data.ingest import collect
from medfl_client.data.masks.author import Author
from medfl_client.data.masks.write_work import Kind
from medfl_client.data.own_shapes import OwnShapes
from medfl_client.data.reader import Source
from medfl_client.data.reasons import file_rows
from medfl_client.data.selection import sources_of
from medfl_client.data.site_data import own_data
from medfl_client.data.unindexed import decode, read_headers
from medfl_client.egress.network_rules import allow_kept
from medfl_client.model_use.kept_models import find_model
from medfl_client.model_use.named_thresholds import named_thresholds
from medfl_client.model_use.out_of_distribution import (
    ENOUGH,
    Familiar,
    FamiliarToAll,
    Usual,
    learn_usual,
)
from medfl_client.model_use.predictions import (
    prediction_lines,
    refused_lines,
    write_predictions,
)
from medfl_client.task.session import use_threads
from medfl_client.task.site import choose_device
from medfl_client.training.evaluate import features_of, score
from medfl_common.errors import ConfigError, MedflError
from medfl_common.metrics.feature_moments import FeatureMoments
from medfl_common.models.network import Network
from medfl_common.plan.dense import FROM_SCORE
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import Reading, load_model
from medfl_common.ui.screen import Screen


def predict(
    folder: Path,
    name: str,
    paths: Sequence[Path],
    out: Path | None,
    screen: Screen,
    kind: Kind | BoxKind | None = None,
    least: float | None = None,
) -> None:
    """Write a line per sample: log-odds, probabilities, predictions, how usual it looks.

    A segmentation model writes a mask file per sample, and a line with its volumes; a detection
    model a line for each box from a score of `least` on. An unreadable file gets a line with the
    reason. Nothing leaves the site.
    """
    site = load_site_file(folder)
    place = find_model(folder, name)
    plan, model, reading = load_model(
        place, partial(allow_kept, policy=site.policy, state=SiteFolder(folder).state)
    )
    if plan.images.sample == "candidate":
        raise ConfigError(
            "the model scores candidates at given positions; predict takes whole files"
        )
    out = _where(folder, site.data, plan, out, kind, least)
    use_threads(plan)
    device = choose_device(site.compute.device)
    model = model.to(device)
    rows = read_headers(
        paths, site_secret(SiteFolder(folder).state), screen.watch("read the headers of")
    )
    sources, refused = sources_of(rows, site.data, plan, Path("/"))
    if plan.task.is_dense:
        by, way = author_of(place, plan), Way(kind, FROM_SCORE if least is None else least)
        _write_places((sources, refused), model, plan, way, by, device, out, screen)
        return
    pixels, kept, faults = decode(sources, plan.images)
    refused |= faults
    assert not isinstance(pixels, OwnShapes)
    lines = refused_lines(refused)
    if kept:
        nothing = torch.full((len(kept), plan.task.n_outputs), torch.nan)
        images = ImageSet(pixels, np.arange(len(kept)), nothing, plan.images.channels)
        usual = _of_all(reading, screen) or _usual(folder, site, plan, model, device, screen)
        ranks = [] if usual is None else _ranks(usual, model, images, plan, device)
        logits, _ = score(model, images, plan, device)
        lines = prediction_lines(logits, kept, plan, reading, usual, ranks) + lines
    write_predictions(out, lines, plan)
    _say(kept, refused, out, "scored", screen)
    _say_reading(plan, reading, screen)


def _say_reading(plan: Plan, reading: Reading, screen: Screen) -> None:
    """Say what the scores can be read by."""
    if reading.temperature is None:
        screen.say("the model has no calibration; the calibrated columns are empty")
    for threshold in named_thresholds(plan, reading):
        screen.say(f"{threshold.name}, {threshold.promise}")


def _write_places(
    read: tuple[Sequence[Source], dict[str, str]],
    model: Network,
    plan: Plan,
    way: Way,
    author: Author,
    device: torch.device,
    out: Path,
    screen: Screen,
) -> None:
    """Write outlines, or boxes."""
    if plan.task.has_masks:
        files = mask_kind(way.kind)
        kept, refused = write_outlines(read, model, plan, files, author, device, out, screen)
    else:
        kept, refused = write_boxes(read, model, plan, way, device, out, screen)
    _say(kept, refused, out, "outlined" if plan.task.has_masks else "looked at", screen)


def _where(
    folder: Path,
    data: DataFiles,
    plan: Plan,
    out: Path | None,
    kind: Kind | BoxKind | None,
    least: float | None,
) -> Path:
    """Say where the output goes; refuse before any work what the model does not write."""
    if least is not None and not plan.task.has_boxes:
        raise ConfigError("--threshold is for models that box", todo="leave --threshold out")
    if plan.task.has_masks:
        out, files = out or SiteFolder(folder).outlines, mask_kind(kind)
        if files == "png" and plan.images.dimensions == 3:
            raise ConfigError(
                "a PNG is of a single image, and this model outlines volumes",
                todo="--as nifti, or --as dicom-seg",
            )
        refuse_no_outlines(out, files, folder, data)
        return out
    usual = SiteFolder(folder).predictions
    if plan.task.has_boxes:
        of_boxes = box_kind(kind)
        usual = usual.with_suffix(ENDS[of_boxes])
        refuse_no_boxes(plan, of_boxes, out or usual, out is not None, folder / data.folder)
    elif kind is not None:
        raise ConfigError(
            "--as is for models that outline or box; this one judges whole images",
            todo="leave --as out",
        )
    out = out or usual
    _refuse_no_place(out)
    return out


def _ranks(
    usual: Usual, model: Network, images: ImageSet, plan: Plan, device: torch.device
) -> list[float]:
    found: list[float] = usual.rank(features_of(model, images, plan, device)).tolist()
    return found


def _say(
    kept: Sequence[Source], refused: dict[str, str], out: Path, did: str, screen: Screen
) -> None:
    """Say what became of the files, and where it is told."""
    n_used = len({row.name for source in kept for row in source.rows})
    screen.table(["files", "what became of them"], file_rows(n_used, refused))
    files = "file" if len(refused) == 1 else "files"
    screen.say(f"{len(kept)} {did}, {len(refused)} {files} not, each with its reason: {out}")
    screen.say("research software, not a medical device: not for diagnosis")


def _refuse_no_place(out: Path) -> None:
    """Raise ConfigError before any work where the file cannot be written."""
    if out.is_dir() or not os.access(out.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"{out} cannot be written", todo="name another file with --out")


def _of_all(reading: Reading, screen: Screen) -> FamiliarToAll | None:
    """Say what is usual in the federation, where the model's folder tells; None: it does not."""
    told = reading.features
    if told is None:
        return None
    usual = FamiliarToAll(FeatureMoments.of_numbers(told.numbers))
    screen.say(
        f"looks usual: compared with {usual.n_images} validation images of {told.sites} of "
        f"{told.of_sites} hospitals of the federation"
    )
    if usual.n_images < ENOUGH:
        screen.say(f"predict cannot say whether images look usual: 1 in 100 takes {ENOUGH} images")
    return usual


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
    elif usual.n_images < ENOUGH:
        screen.say(
            f"predict cannot say whether images look usual: the site has {usual.n_images} "
            f"validation images, and 1 in 100 takes {ENOUGH}"
        )
    else:
        screen.say(
            f"looks usual: compared with {usual.n_images} validation images of this site alone, "
            "since the model brings no features of the federation"
        )
    return usual
