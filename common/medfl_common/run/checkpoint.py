"""All that the next round needs, on disk: a crash at any moment loses at most one round.

A checkpoint is `round-0007.safetensors` and `round-0007.json`, and `round-0007.state` where the
strategy keeps something. The JSON names the SHA-256 of the tensors. The last step renames it into
place, so it exists only when all files are whole.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes

from medfl_common.errors import ConfigError, RunError, reason_of
from medfl_common.files import Json, write_atomic
from medfl_common.models.weights import Weights

STATE = ".state"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a study after a round."""

    round: int  # the last round that was aggregated; 0 holds the initial weights
    weights: Weights
    meta: dict[str, Json]  # what else the next round or the log needs
    state: Weights = field(default_factory=dict)  # what the strategy keeps between rounds


def save(folder: Path, checkpoint: Checkpoint, keep: int = 2) -> str:
    """Write a checkpoint, drop all but the `keep` newest; return the SHA-256 of its tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"round-{checkpoint.round:04d}"
    data = tensors_to_bytes(checkpoint.weights)
    sha256 = hashlib.sha256(data).hexdigest()
    write_atomic(stem.with_suffix(".safetensors"), data)
    meta = {"round": checkpoint.round, "sha256": sha256, "meta": checkpoint.meta}
    if checkpoint.state:
        state = tensors_to_bytes(checkpoint.state)
        write_atomic(stem.with_suffix(STATE), state)
        meta["state_sha256"] = hashlib.sha256(state).hexdigest()
    write_atomic(stem.with_suffix(".json"), json.dumps(meta, indent=1).encode())
    for old in sorted(folder.glob("round-*.json"))[:-keep]:
        old.unlink()
        for kind in (".safetensors", STATE):
            old.with_suffix(kind).unlink(missing_ok=True)
    return sha256


def keep(folder: Path, checkpoint: Checkpoint) -> None:
    """Keep a round's weights, and what the strategy kept, for good: `kept-0010.safetensors`."""
    stem = folder / f"kept-{checkpoint.round:04d}"
    if checkpoint.state:
        write_atomic(stem.with_suffix(STATE), tensors_to_bytes(checkpoint.state))
    write_atomic(stem.with_suffix(".safetensors"), tensors_to_bytes(checkpoint.weights))


def kept_rounds(folder: Path) -> list[int]:
    """List the rounds that are kept for good."""
    return sorted(int(p.stem.removeprefix("kept-")) for p in folder.glob("kept-*.safetensors"))


def load_kept(folder: Path, round_: int) -> Checkpoint:
    """Read a round that was kept."""
    stem = folder / f"kept-{round_:04d}"
    path = stem.with_suffix(STATE)
    state = tensors_from_bytes(path.read_bytes()) if path.exists() else {}
    weights = tensors_from_bytes(stem.with_suffix(".safetensors").read_bytes())
    return Checkpoint(round_, weights, {}, state)


def find_round(folder: Path, round_: int) -> Path | None:
    """Find a round's weights: kept for good, of the best round, or of one of the last two."""
    names = (f"{kind}-{round_:04d}.safetensors" for kind in ("kept", "best", "round"))
    return next((folder / name for name in names if (folder / name).exists()), None)


def no_round(folder: Path, round_: int) -> ConfigError:
    """Say that a round's weights are not kept, and which are."""
    names = (path.stem for path in folder.glob("*-[0-9]*.safetensors"))
    there = sorted({int(name.rpartition("-")[2]) for name in names})
    return ConfigError(
        f"the weights of round {round_} are not kept; there are those of "
        f"{', '.join(map(str, there)) or 'none'}",
        todo="federation.keep_every in the plan keeps every so manieth round's",
    )


def forget_after(folder: Path, round_: int) -> None:
    """Remove the weights of every round after one, also the best and the kept ones."""
    for path in folder.glob("*-[0-9]*.*"):  # also what a crash left half written
        if int(path.name.partition(".")[0].rpartition("-")[2]) > round_:
            path.unlink()


def load_newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Read the newest whole checkpoint, and a warning line for each damaged newer one."""
    warnings: list[str] = []
    for path in sorted(folder.glob("round-*.json"), reverse=True):
        try:
            return _load(path), warnings
        except (RunError, OSError, ValueError, KeyError) as error:
            why = reason_of(error, "it is cut off or overwritten")
            warnings.append(f"checkpoint {path.stem} is damaged ({why}); medfl uses the one before")
    if warnings:
        raise RunError(
            f"no checkpoint in {folder} is whole",
            todo="put one back from a copy: " + "; ".join(warnings),
            who="your IT department",
        )
    return None, warnings


def digest(weights: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of the weights as a checkpoint stores them: equal hash, equal bits."""
    return hashlib.sha256(tensors_to_bytes(dict(weights))).hexdigest()


def _load(path: Path) -> Checkpoint:
    meta = json.loads(path.read_text())
    weights = _tensors(path.with_suffix(".safetensors"), meta["sha256"])
    has_state = "state_sha256" in meta
    state = _tensors(path.with_suffix(STATE), meta["state_sha256"]) if has_state else {}
    return Checkpoint(int(meta["round"]), weights, meta["meta"], state)


def _tensors(path: Path, sha256: str) -> Weights:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RunError("its SHA-256 is not the recorded one")
    return tensors_from_bytes(data)
