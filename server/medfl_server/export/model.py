"""`medfl-server export`: the final model for other programs, with how to feed it beside it."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import file_digest
from pathlib import Path

import torch
from safetensors.torch import load

from medfl_common import __version__
from medfl_common.errors import ConfigError
from medfl_common.files import Json, write_atomic
from medfl_common.models.input_scale import BLACK, IN_WORDS, RANGE
from medfl_common.plan.dense import FROM_SCORE, WINDOW_OVERLAP, WINDOW_SPREAD
from medfl_common.plan.halves import own_layers
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.checkpoint import find_round, no_round
from medfl_common.run.folder import RunFolder
from medfl_common.run.model_file import PLAN, READING, WEIGHTS, Reading, load_model, save_model
from medfl_server.export.boxes import output_of_boxes
from medfl_server.export.forms import ONNX, PT2, write_form

FACTS = "preprocessing.json"
OWN_USE = (
    f"{PT2} is for your own use: a .pt2 may run code when it is loaded. Load only your own; "
    "hospitals never get one"
)


def export(run: Path, out: Path, onnx: bool, pt2: bool) -> list[str]:
    """Write weights, plan, `preprocessing.json` and the requested formats; report the files.

    Raises RunError if an exported model does not give torch's logits, ConfigError if a package is
    missing or each site has its own model (own norm layers).
    """
    plan, model, reading = load_model(run)
    if own := own_layers(plan):
        raise ConfigError(
            f"the {' and '.join(sorted(own))} layers stay at their site, so each site has a "
            "model of its own",
            todo="use medfl-client predict at the site; there is no common model to export",
        )
    out.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, PLAN, READING):
        if (run / name).resolve() != (out / name).resolve():
            shutil.copyfile(run / name, out / name)
    parity: dict[str, float] = {}
    for name in (ONNX,) * onnx + (PT2,) * pt2:
        parity[name] = write_form(name, model, plan, out / name)
    hashes = {name: _sha256(out / name) for name in (WEIGHTS, PLAN, READING, *parity)}
    facts = json.dumps(preprocessing(plan, reading, parity, hashes), indent=1)
    write_atomic(out / FACTS, facts.encode())
    said = [f"{n}: logits within {d:.1e} of torch's" for n, d in parity.items()]
    said += [OWN_USE] if pt2 else []
    said.append(_features_in_words(reading))
    return [*said, f"how to feed it, and what its scores mean: {out / FACTS}"]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _features_in_words(reading: Reading) -> str:
    told = reading.features
    if told is None:
        return "no hospital sent features: predict compares images with a site's own"
    return (
        f"features of {told.numbers[0]:.0f} validation images of {told.sites} of {told.of_sites} "
        "hospitals: predict compares images with these"
    )


def write_round(run: Path, round_: int, out: Path) -> None:
    """Write the model folder of a round whose weights are kept, of the best or one of the last two.

    Raises ConfigError for a round whose weights are not there. Its scores were not read: the
    threshold is the plan's.
    """
    folder, plan = RunFolder(run).checkpoints, load_plan(RunFolder(run).plan_file)
    found = find_round(folder, round_)
    if found is None:
        raise no_round(folder, round_)
    start = load(RunFolder(run).initial_weights.read_bytes())
    weights = start | load(found.read_bytes())
    save_model(out, plan, weights, Reading(plan.evaluation.threshold))


def preprocessing(
    plan: Plan, reading: Reading, parity: Mapping[str, float], hashes: Mapping[str, str]
) -> dict[str, Json]:
    """Describe input and output so that another program can do the same.

    Args:
        plan: What was trained.
        reading: What the scores mean.
        parity: File -> largest difference of its logits from torch's.
        hashes: File -> its SHA-256.
    """
    images = plan.images
    return {
        "medfl": __version__,
        "torch": torch.__version__,
        "not_for_diagnosis": "research software, not a medical device",
        "plan_sha256": plan.hash(),
        "input": {
            "name": "pixels",
            "shape": ["batch", images.channels, *images.window],
            "type": "float32",
            "value": IN_WORDS,
            "black": BLACK,
            "white": BLACK + RANGE,
        },
        "images": images.model_dump(mode="json"),
        "steps": _steps(plan),
        "output": _output(plan),
        **({"window": _window(plan)} if plan.task.is_dense else {}),
        "reading": {"least_score": FROM_SCORE} if plan.task.has_boxes else asdict(reading),
        "parity": {name: round(value, 9) for name, value in parity.items()},
        "files": {name: {"sha256": sha256} for name, sha256 in hashes.items()},
    }


def _output(plan: Plan) -> dict[str, Json]:
    task = plan.task
    found: dict[str, Json] = {"name": "logits", "classes": [*task.classes]}
    if task.has_masks:
        place = "pixel" if plan.images.dimensions == 2 else "voxel"
        shape: list[Json] = ["batch", task.n_outputs, *plan.images.window]
        return found | {"shape": shape, "activation": "softmax over axis 1", "of": f"each {place}"}
    if task.has_boxes:
        return found | output_of_boxes(plan)
    return found | {
        "shape": ["batch", task.n_outputs],
        "activation": "softmax" if task.is_one_of_many else "sigmoid",
        "of": task.classes[1] if task.type == "binary" else "each class in order",
    }


def _window(plan: Plan) -> dict[str, Json]:
    """Say how a larger image goes through the network, and how its windows are joined."""
    images = plan.images
    apart = [images.slice_mm] if images.dimensions == 3 else []
    return {
        "patch": [*images.window],
        "spacing_mm": [*apart, images.spacing_mm, images.spacing_mm],
        "overlap": WINDOW_OVERLAP,
        "weights": f"of logits: a Gaussian around the window's middle, deviation {WINDOW_SPREAD:g} "
        "of each side",
        "padding": "black, on both sides",
    }


def _steps(plan: Plan) -> list[Json]:
    images = plan.images
    rule = images.intensity
    windows = {
        "dicom": "the file's own VOI window or table (PS3.3 C.11.2)",
        "fixed": "a window of the centre and width under images.intensity, after rescale",
        "percentile": "from the low to the high percentile of the image's own values",
    }
    fit = (
        "resample to spacing_mm (and slice_mm), crop or pad with black around the centre"
        if images.spacing_mm is not None
        else "shrink or enlarge into the size, keeping the shape, and pad with black"
    )
    steps: list[Json] = [
        "modality rescale or table (PS3.3 C.11.1); pixel padding becomes black",
        windows[rule.rule] + ", clipped to 0..1",
        "MONOCHROME1 is turned round, so that 1 is white",
        fit + "; bilinear with antialiasing, as Pillow's",
        f"round to {images.bits} bits",
    ]
    if images.dimensions == 3:
        steps.append("slices from feet to head, rows to the patient's left, columns to the back")
    if images.channels == 3 and not images.colour:
        steps.append("repeat the grey channel three times")
    return steps
