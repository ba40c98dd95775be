"""`medfl-server export`: the final model for other programs, with how to feed it beside it."""

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load

from medfl_common import __version__
from medfl_common.errors import ConfigError, RunError
from medfl_common.files import Json, write_atomic
from medfl_common.models.input_scale import IN_WORDS
from medfl_common.models.network import Network
from medfl_common.plan.dense import FROM_SCORE, WINDOW_OVERLAP, WINDOW_SPREAD
from medfl_common.plan.halves import own_layers
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.checkpoint import find_round, no_round
from medfl_common.run.folder import RunFolder
from medfl_common.run.model_file import PLAN, READING, WEIGHTS, Reading, load_model, save_model
from medfl_server.export.boxes import output_of_boxes

TOLERANCE = 1e-3  # largest difference of logits from torch's, of about 1
TOLERANCE_OF_MAPS = 1e-4  # the same where each pixel or voxel has its own
SIZES = (1, 3)  # images at a time in the parity check
Run = Callable[[torch.Tensor], torch.Tensor]


def export(run: Path, out: Path, onnx: bool, torchscript: bool) -> list[str]:
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
    if onnx:
        parity["model.onnx"] = _check(model, plan, _write_onnx(model, plan, out / "model.onnx"))
    if torchscript:
        parity["model.pt"] = _check(model, plan, _write_script(model, plan, out / "model.pt"))
    facts = json.dumps(preprocessing(plan, reading, parity), indent=1)
    write_atomic(out / "preprocessing.json", facts.encode())
    said = [f"{n}: logits within {d:.1e} of torch's" for n, d in parity.items()]
    said.append(_features_in_words(reading))
    return [*said, f"how to feed it, and what its scores mean: {out / 'preprocessing.json'}"]


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


def preprocessing(plan: Plan, reading: Reading, parity: dict[str, float]) -> dict[str, Json]:
    """Describe input and output so that another program can do the same."""
    images = plan.images
    return {
        "medfl": __version__,
        "not_for_diagnosis": "research software, not a medical device",
        "plan_sha256": plan.hash(),
        "input": {
            "name": "pixels",
            "shape": ["batch", images.channels, *images.window],
            "type": "float32",
            "value": IN_WORDS,
        },
        "images": images.model_dump(mode="json"),
        "steps": _steps(plan),
        "output": _output(plan),
        **({"window": _window(plan)} if plan.task.is_dense else {}),
        "reading": {"least_score": FROM_SCORE} if plan.task.has_boxes else asdict(reading),
        "parity": {name: round(value, 9) for name, value in parity.items()},
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


def _example(plan: Plan, n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n)
    return torch.randn((n, plan.images.channels, *plan.images.window), generator=generator)


def _check(model: Network, plan: Plan, run: Run) -> float:
    """Return the largest difference of logits over batches of several sizes."""
    with torch.no_grad():
        apart = [(run(x) - model(x)).abs().max() for n in SIZES for x in [_example(plan, n)]]
    largest = float(max(apart))
    if not largest <= (TOLERANCE_OF_MAPS if model.is_dense else TOLERANCE):
        raise RunError(f"the exported model's logits differ from torch's by {largest:.2g}")
    return largest


def _settle_autograd() -> None:
    """Have torch choose its threads for gradients before the exporter makes up a device.

    Else the first gradient after an export starts threads for it, and no process that is forked
    then can train: `medfl-sim --engine processes` in one notebook with an export.
    """
    torch.ones(1, requires_grad=True).sum().backward()  # type: ignore[no-untyped-call]


def _write_onnx(model: Network, plan: Plan, path: Path) -> Run:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError:
        raise ConfigError(
            "--onnx needs more packages", todo="pip install 'medfl[export]'"
        ) from None
    _settle_autograd()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own exporter, about its own parts
        torch.onnx.export(
            model,
            (_example(plan, 2),),
            path,
            input_names=["pixels"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(pixels: torch.Tensor) -> torch.Tensor:
        (logits,) = session.run(None, {"pixels": pixels.numpy()})
        return torch.from_numpy(np.asarray(logits))

    return run


def _write_script(model: Network, plan: Plan, path: Path) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have torch.export
        traced = torch.jit.trace(model, _example(plan, 2), check_trace=False)  # type: ignore[no-untyped-call]
        traced.save(str(path))
        loaded = torch.jit.load(str(path))  # type: ignore[no-untyped-call]

    def run(pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = loaded(pixels)
        return logits

    return run
