"""The network as files that other programs run, each checked against torch."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from medfl_common.errors import ConfigError, RunError
from medfl_common.models.network import Network
from medfl_common.models.settled import settle_autograd
from medfl_common.plan.plan import Plan

ONNX, PT2 = "model.onnx", "model.pt2"
TOLERANCE = 1e-3  # largest difference of logits from torch's, of about 1
TOLERANCE_OF_MAPS = 1e-4  # the same where each pixel or voxel has its own
SIZES = (1, 3)  # images at a time in the parity check
Run = Callable[[torch.Tensor], torch.Tensor]


def write_form(name: str, model: Network, plan: Plan, path: Path) -> float:
    """Write ONNX or PT2 and read it again; return the largest difference of logits from torch's.

    Raises RunError above the tolerance, ConfigError if a package is missing.
    """
    return largest_difference(model, plan, WRITERS[name](model, plan, path))


def _example(plan: Plan, n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n)
    return torch.randn((n, plan.images.channels, *plan.images.window), generator=generator)


def largest_difference(model: Network, plan: Plan, run: Run) -> float:
    """Return that of logits, over batches of several sizes; RunError above the tolerance."""
    with torch.no_grad():
        apart = [(run(x) - model(x)).abs().max() for n in SIZES for x in [_example(plan, n)]]
    largest = float(max(apart))
    if not largest <= (TOLERANCE_OF_MAPS if model.is_dense else TOLERANCE):
        raise RunError(f"the exported model's logits differ from torch's by {largest:.2g}")
    return largest


def _write_onnx(model: Network, plan: Plan, path: Path) -> Run:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError:
        raise ConfigError(
            "--onnx needs more packages", todo="pip install 'medfl[export]'"
        ) from None
    settle_autograd()
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


def _write_pt2(model: Network, plan: Plan, path: Path) -> Run:
    settle_autograd()
    batch = ({0: torch.export.Dim("batch")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own exporter, about its own parts
        program = torch.export.export(model, (_example(plan, 2),), dynamic_shapes=batch)
        torch.export.save(program, path)
    return read_pt2(path)


def read_pt2(path: Path) -> Run:
    """Load a program of one's own: a .pt2 may run code when it is loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = torch.export.load(path).module()

    def run(pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = loaded(pixels)
        return logits

    return run


WRITERS: Mapping[str, Callable[[Network, Plan, Path], Run]] = {ONNX: _write_onnx, PT2: _write_pt2}
