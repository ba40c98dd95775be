"""Models and predictions that are kept at the hospital, and incidents: for people here alone."""

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medfl_client.console.hospital import Study
from medfl_client.egress import ledger
from medfl_common.errors import MedflError
from medfl_common.files import Json

MOST_ROWS = 100  # of predictions on a page; the CSV has all
MOST_PICTURES = 48
MOST_INCIDENTS = 50
SCORES = "scores"  # the stem of the text beside a model


@dataclass(frozen=True)
class KeptModel:
    """A study's final model at the hospital."""

    name: str
    when: str
    scores: str


def models(study: Study) -> list[KeptModel]:
    """List the models, the newest first."""
    found = [path for path in study.state.models.glob("*") if any(path.glob("*.safetensors"))]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [KeptModel(path.name, _day(path.stat().st_mtime), _scores(path)) for path in found]


def predictions(study: Study) -> tuple[Sequence[str], list[list[str]], int]:
    """Give the header of the predictions, the first rows, and how many there are in all."""
    path = study.files.predictions
    if not path.exists():
        return (), [], 0
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header, shown, n = next(rows, []), [], 0
        for row in rows:
            n += 1
            if n <= MOST_ROWS:
                shown.append(row)
    return header, shown, n


def pictures(study: Study) -> list[Path]:
    """List pictures that `predict` and `look` wrote, the newest first."""
    files = study.files
    found = [path for path in (files.predictions.with_name(files.predictions.name + ".png"),)
             if path.exists()]  # fmt: skip
    found += [*files.looks.rglob("*.png"), *files.outlines.glob("*.png")]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return found[:MOST_PICTURES]


def picture(study: Study, name: str) -> Path:
    """Find a picture by its path below the directory; raises KeyError for another file."""
    return {path.relative_to(study.folder).as_posix(): path for path in pictures(study)}[name]


def incidents(study: Study) -> list[dict[str, Any]]:
    """List the newest incidents: number, time, the last line of the text, and all of it."""
    found = []
    try:
        for line in ledger.newest_first(study.state.incidents):
            found.append(_incident(line))
            if len(found) == MOST_INCIDENTS:
                break
    except MedflError as error:
        found.append({"number": "", "when": "", "short": str(error), "text": ""})
    return found


def _incident(line: dict[str, Json]) -> dict[str, Any]:
    text = str(line.get("error", "")).strip()
    short = text.rpartition("\n")[2]
    when = _day(float(str(line.get("time", 0))))
    return {"number": str(line.get("incident", "")), "when": when, "short": short, "text": text}


def _scores(path: Path) -> str:
    text = next(path.glob(f"{SCORES}.*"), None)
    return "" if text is None else text.read_text(encoding="utf-8")


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
