"""Whose files were told as left out: two flows that differ by a few patients would tell those.

`state/patient-sets/flows.jsonl` has a line for each flow, or total of left-out files, told.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from medfl_client.config.folder import StateFolder
from medfl_common.files import write_atomic
from medfl_common.metrics.participants import REASONS
from medfl_common.wire.results import TrainResult

FEW = "flow withheld: it differs by a few patients from what was told before"
Told = dict[str, Any]  # total; with a flow found and reasons, each with files and patients


def apart_from_told(
    state: Path, result: TrainResult, min_cell: int, are_others: bool
) -> TrainResult:
    """Take flow and left-out total out of an answer that could be subtracted from another's.

    What stays in is noted, on the disk before it leaves.

    Args:
        state: The site's.
        result: Its counts as they are, before small ones are taken out.
        min_cell: So many patients are not few.
        are_others: Whether the patients of a part are a few others than in an earlier answer.
    """
    if result.statistics is None:
        return result
    now, path = _told(result), StateFolder(state).patient_sets / "flows.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    before = [json.loads(line) for line in lines]
    if are_others or any(_is_few_apart(now, one, min_cell) for one in before):
        return replace(result, participants=None, statistics=replace(result.statistics, left_out=0))
    if now not in before:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(path, "\n".join([*lines, json.dumps(now)]).encode())
    return result


def _told(result: TrainResult) -> Told:
    assert result.statistics is not None
    flow, found = result.participants, {"total": result.statistics.left_out}
    if flow is None:
        return found
    pairs = zip(flow.reasons, flow.reason_patients, strict=True)
    each = {code: [*pair] for code, pair in zip(REASONS, pairs, strict=True)}
    return {**found, "found": flow.found_patients, "reasons": each}


def _is_few_apart(now: Told, before: Told, min_cell: int) -> bool:
    """Compare each reason by its patients, or by files where no header names one."""
    if "reasons" not in now or "reasons" not in before:
        return bool(0 < abs(now["total"] - before["total"]) < min_cell)
    if 0 < abs(now["found"] - before["found"]) < min_cell:
        return True
    for code, own in now["reasons"].items():
        other = before["reasons"].get(code, [0, 0])
        if own != other and abs((own[1] or own[0]) - (other[1] or other[0])) < min_cell:
            return True
    return False
