"""The split of earlier versions, for studies that began with one: drawn from a list of patients."""

import json
from pathlib import Path

from medfl_client.config.folder import StateFolder
from medfl_client.data.ingest import Collection
from medfl_client.data.parts import Part
from medfl_client.data.split import Sides, salt_of, split_key
from medfl_common.plan.plan import Plan
from medfl_common.seeds import numpy_generator


def sides_of_earlier_version(
    state: Path, plan: Plan, collection: Collection, site: str
) -> Sides | None:
    """Give the split with which a site has answered a plan before parts were noted.

    None: it has not. Patients stand in the order of their first image, and a permutation of each
    class takes the first for validation.
    """
    if not _has_answered(state, plan):
        return None
    rng = numpy_generator(plan.seed, "split", 0, site)
    highest: dict[str, int] = {}
    for patient, sample in zip(collection.patients, collection.samples, strict=True):
        highest[patient] = max(sample.label, highest.get(patient, 0))
    chosen: set[str] = set()
    for label in sorted(set(highest.values())):
        group = [patient for patient, value in highest.items() if value == label]
        n_validation = min(round(len(group) * plan.evaluation.validation), len(group) - 1)
        chosen |= {group[i] for i in rng.permutation(len(group))[:n_validation]}
    parts: dict[str, Part] = {p: "validation" if p in chosen else "train" for p in highest}
    return {
        split_key(collection.secret, salt_of(plan), sample.patient): parts[patient]
        for patient, sample in zip(collection.patients, collection.samples, strict=True)
    }


def _has_answered(state: Path, plan: Plan) -> bool:
    """Say whether an answer under the plan has left; a refusal is none, whenever it was."""
    path = StateFolder(state).ledger
    if not path.exists():
        return False
    with path.open(encoding="utf-8", errors="replace") as lines:
        own = [line for line in lines if plan.hash() in line and line.endswith("\n")]
    return any(_is_released(line) for line in own)


def _is_released(line: str) -> bool:
    """Say whether a line is of an answer; one that is damaged may be."""
    try:
        return bool(json.loads(line).get("decision", "released") == "released")
    except (ValueError, AttributeError):
        return True
