"""What a coordinator writes down of secure sums, before it goes on: a stretch, and a sum to open.

A list of whose numbers are summed is on the disk, with the masked sum, before anybody is asked to
open it: hospitals open one list in a round, for ever. So a coordinator that ends goes on with it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfl_common.errors import RunError
from medfl_common.files import Json, write_atomic
from medfl_common.privacy.sum_keys import Stretch
from medfl_common.run.folder import RunFolder
from medfl_common.wire.results import TrainResult
from medfl_common.wire.secure_sum import Group
from medfl_server.aggregation.secure_sum import SumStretch
from medfl_server.rounds.outcome import Answered, Replies


@dataclass(frozen=True)
class SumAhead:
    """A masked sum that is to be opened, or was."""

    number: int  # of the stretch
    round: int  # as sum_round numbers it
    weights: str  # digest of what was asked about
    summed: list[int]  # places
    replies: Replies
    total: NDArray[np.uint32]


def write_stretch(folder: RunFolder, stretch: SumStretch) -> None:
    """Write a stretch in place of the one before; its number is never another's again."""
    numbers = stretch.stretch
    facts: dict[str, Json] = {
        "plan": numbers.plan, "number": numbers.number, "first": numbers.first,
        "last": numbers.last, "threshold": stretch.threshold,
        "names": [*stretch.group.names], "keys": [*stretch.group.keys],
        "cohort": [*stretch.cohort],
        "hellos": _hex(stretch.hellos), "setups": _hex(stretch.setups),
    }  # fmt: skip
    _write(folder, folder.stretch, facts)


def read_stretch(folder: RunFolder, run: str) -> SumStretch | None:
    """Read the newest stretch; None: none was begun."""
    told = _read(folder.stretch)
    if told is None:
        return None
    group = Group(tuple(told["names"]), tuple(told["keys"]))
    numbers = Stretch(run, told["plan"], group.hash, told["number"], told["first"], told["last"])
    hellos, setups = (
        {int(place): bytes.fromhex(part) for place, part in told[name].items()}
        for name in ("hellos", "setups")
    )
    return SumStretch(numbers, group, told["threshold"], hellos, setups, tuple(told["cohort"]))


def write_ahead(folder: RunFolder, ahead: SumAhead) -> None:
    """Write the masked sum, then whose numbers are in it; return when both are on the disk."""
    folder.sums.mkdir(exist_ok=True, mode=0o750)
    data = ahead.total.tobytes()
    write_atomic(folder.masked_total, data)
    answered: dict[str, Json] = {
        site: {
            "seconds": one.result.seconds,
            "versions": None if one.result.versions is None else [*one.result.versions],
            "bytes_received": one.bytes_received, "bytes_sent": one.bytes_sent,
            "sha256": one.sha256, "waited": one.waited_s,
        }
        for site, one in ahead.replies.answered.items()
    }  # fmt: skip
    facts: dict[str, Json] = {
        "number": ahead.number, "round": ahead.round, "weights": ahead.weights,
        "summed": [*ahead.summed], "sha256": hashlib.sha256(data).hexdigest(),
        "answered": answered, "missing": {**ahead.replies.missing},
        "seconds": ahead.replies.seconds,
    }  # fmt: skip
    _write(folder, folder.summed, facts)


def read_ahead(folder: RunFolder, round_: int) -> SumAhead | None:
    """Read the sum of a round; None: its list was not written yet."""
    told = _read(folder.summed)
    if told is None or told["round"] != round_:
        return None
    data = folder.masked_total.read_bytes()
    if hashlib.sha256(data).hexdigest() != told["sha256"]:
        raise RunError(
            f"{folder.masked_total} is not the sum that {folder.summed.name} tells of",
            data="the model is as it was before this round",
            todo="put both files back from a copy; the hospitals open no other sum of this round",
        )
    replies = Replies(
        {site: _answered(one) for site, one in told["answered"].items()},
        dict(told["missing"]), float(told["seconds"]), is_masked=True,
    )  # fmt: skip
    total = np.frombuffer(data, np.uint32).copy()
    return SumAhead(
        told["number"], told["round"], told["weights"], list(told["summed"]), replies, total
    )


def _answered(told: Mapping[str, Any]) -> Answered:
    versions = None if told["versions"] is None else tuple(told["versions"])
    result = TrainResult(0, 0, 0, seconds=told["seconds"], versions=versions)
    sizes = told["bytes_received"], told["bytes_sent"]
    return Answered(result, *sizes, told["sha256"], told["waited"])


def _hex(parts: Mapping[int, bytes]) -> dict[str, Json]:
    return {str(place): part.hex() for place, part in parts.items()}


def _write(folder: RunFolder, path: Path, facts: Mapping[str, Json]) -> None:
    folder.sums.mkdir(exist_ok=True, mode=0o750)
    write_atomic(path, json.dumps(facts).encode())


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None
