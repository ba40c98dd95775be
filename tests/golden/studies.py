"""Studies over synthetic hospitals: their final weights, to the bit on a known kind of machine."""

import json
import math
import platform
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tests.golden.commands import HERE, call

STUDIES = {  # plan in weights/ -> the kind of its phantoms
    "fedavg": "chest",
    "scaffold-int8": "chest",
    "fedper-volumes": "brain-mr",
}
ENGINES = ("inprocess", "processes")
WHOLE = 256  # numbers of a tensor that are stored all; of a larger one about so many


def machine() -> str:
    """Name what decides the last bits of a sum: torch, the processor's kind and instructions."""
    facts = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    vendor = re.search(r"vendor_id\s*: (\S+)", facts)
    capability = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {vendor[1] if vendor else platform.machine()}, {capability}"


def write_phantoms(folder: Path, kind: str) -> Path:
    """Write three hospitals of thirty synthetic pictures, or sixteen volumes."""
    n = 16 if kind == "brain-mr" else 30
    call("sim", "phantom", folder, "--sites", 3, "--images", n, "--seed", 1, "--kind", kind)
    for site in folder.iterdir():
        text = (site / "site.yaml").read_text()
        if "policy:" not in text:
            (site / "site.yaml").write_text(text + "policy: {min_images: 5, min_cell: 1}\n")
    return folder


def run_study(name: str, hospitals: Path, out: Path, engine: str) -> tuple[str, Path]:
    """Run one of STUDIES; give the digest of the shared weights, and the file of all weights."""
    plan = HERE / "weights" / f"{name}.yaml"
    arguments = ["--data", hospitals, "--out", out, "--engine", engine, "--no-baselines"]
    call("sim", "run", plan, *arguments, *(["--workers", 2] if engine == "processes" else []))
    (finished,) = events(out, "finished")
    return finished["sha256"], out / "model.safetensors"


def events(study: Path, kind: str) -> list[dict[str, Any]]:
    """Read the run log's events of a kind."""
    lines = map(json.loads, (study / "log.jsonl").read_text().splitlines())
    return [event for event in lines if event["event"] == kind]


def sampled(path: Path) -> dict[str, torch.Tensor]:
    """Give some numbers of each tensor, evenly over it, and the norm of them all."""
    found = {}
    for name, tensor in load_file(path).items():
        flat = tensor.reshape(-1)
        found[name] = flat[:: max(1, math.ceil(flat.numel() / WHOLE))].clone()
        found[f"{name} (norm)"] = flat.double().norm().float()
    return found
