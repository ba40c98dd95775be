"""A wheel with parts of medfl as an installer leaves it in a folder; nothing is fetched."""

import base64
import hashlib
import os
from importlib.metadata import PathDistribution
from pathlib import Path

from medfl_common.plan.plugins import Plugin
from medfl_common.plugins.installed import record_sha256

NAME, PACKAGE = "hospital-parts", "hospital_parts"
MARKER = "MEDFL_TEST_MARKER"  # the variable with a file that importing the plugin makes

PARTS = """\
import os
from pathlib import Path

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4))

    def forward(self, pixels):
        return self.layers(pixels).flatten(1)


def soft_f1(logits, target):
    p = logits.sigmoid()
    return 1 - 2 * (p * target).sum(1) / (p + target + 1e-3).sum(1)


def darker(images, generator):
    return images * torch.empty(len(images), 1, 1, 1).uniform_(0.8, 1, generator=generator)


def youden(counted):
    (tn, fp), (fn, tp) = counted.confusion
    return tp / (tp + fn) + tn / (tn + fp) - 1


def half_way(updates, n_images):
    return (updates.mean(0) + updates.median(0).values) / 2
"""
NAMES = {
    "network": "Net", "loss": "soft_f1", "augmentation": "darker", "metric": "youden",
    "strategy": "half_way",
}  # fmt: skip
TRACE = '\nPath(os.environ["MEDFL_TEST_MARKER"]).touch()\n'
# The sections of a plan that name all the parts.
SECTIONS: dict[str, dict[str, object]] = {
    "model": {"name": "Net"},
    "training": {"lr": 0.01, "batch_size": 8, "loss": "soft_f1",
                 "augmentation": {"own": ["darker"]}},
    "federation": {"rounds": 2, "strategy": "half_way"},
    "evaluation": {"own_metrics": ["youden"]},
}  # fmt: skip


def install(folder: Path, version: str = "1.0", body: str = PARTS + TRACE) -> Plugin:
    """Write package and dist-info into a folder of packages, as pip would; say how to name it."""
    info = folder / f"{PACKAGE}-{version}.dist-info"
    entries = "".join(f"{kind}.{name} = {PACKAGE}.parts:{name}\n" for kind, name in NAMES.items())
    files = {
        f"{PACKAGE}/__init__.py": "",
        f"{PACKAGE}/parts.py": body,
        f"{info.name}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n",
        f"{info.name}/entry_points.txt": f"[medfl.parts]\n{entries}",
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    write_record(folder, info.name, [*files])
    return named(folder, version)


def write_record(folder: Path, info: str, paths: list[str], added: str = "") -> None:
    """Write RECORD, with what installers add to it."""
    lines = [
        f"{path},sha256={_hash(folder / path)},{(folder / path).stat().st_size}" for path in paths
    ]
    own = [f"{info}/RECORD,,", f"{info}/INSTALLER,sha256={added or 'x'},4",
           f"{PACKAGE}/__pycache__/parts.cpython-311.pyc,,"]  # fmt: skip
    (folder / info / "RECORD").write_text("\n".join([*lines, *own]) + "\n")


def named(folder: Path, version: str = "1.0") -> Plugin:
    """Name the wheel as a plan does, by its RECORD."""
    found = PathDistribution(folder / f"{PACKAGE}-{version}.dist-info")
    return Plugin(distribution=NAME, version=version, sha256=record_sha256(found))


def environment(folder: Path, marker: Path) -> dict[str, str]:
    """Give the environment of a process in which the wheel is installed."""
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {**os.environ, "PYTHONPATH": path, MARKER: str(marker), "OMP_NUM_THREADS": "1"}


def _hash(path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
