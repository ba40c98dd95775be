"""The split of earlier versions, for studies that began with one: drawn from a list of patients."""

import json
from pathlib import Path
from typing import Any

from medfl_client.config.folder import StateFolder
from medfl_client.data.ingest import Collection
from medfl_client.data.parts import Part
from medfl_client.data.split import Sides, salt_of, split_key
from medfl_common.errors import DataError
from medfl_common.plan.plan import Plan
from medfl_common.seeds import numpy_generator
from medfl_common.wire.secure_sum import KINDS

SINCE = "role"  # a rule of the policy in each line of a version that notes parts


def sides_of_earlier_version(
    state: Path, plan: Plan, collection: Collection, site: str
) -> Sides | None:
    """Give the split with which a site has answered a plan before parts were noted.

    None: it has not. Patients stand in the order of their first image, and a permutation of each
    class takes the first for validation. Raises DataError where parts were noted and are lost.
    """
    answers = _answers(state, plan)
    _refuse_lost(state, plan, answers)
    if not any(str(line.get("plan")) == plan.hash() for line in answers):
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


def _answers(state: Path, plan: Plan) -> list[dict[str, Any]]:
    """List the ledger's lines of what has left of the data; a damaged line may be one.

    A refusal is none, and neither are keys and shares of secure sums.
    """
    path = StateFolder(state).ledger
    if not path.exists():
        return []
    with path.open(encoding="utf-8", errors="replace") as lines:
        found = [_parsed(line, plan) for line in lines if line.endswith("\n")]
    left = [line for line in found if line.get("decision", "released") == "released"]
    return [line for line in left if line.get("kind") not in KINDS]


def _parsed(line: str, plan: Plan) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    return {"plan": plan.hash()} if plan.hash() in line else {"decision": "damaged"}


def _refuse_lost(state: Path, plan: Plan, answers: list[dict[str, Any]]) -> None:
    """Raise DataError where a version that notes parts has answered, and the notes are gone."""
    studies = () if StateFolder(state).splits.exists() else (plan.study, plan.evaluation.split_of)
    lost = any(
        SINCE in (line.get("policy") or {})
        and (line.get("plan") == plan.hash() or line.get("study") in studies)
        for line in answers
    )
    if lost:
        raise DataError(
            f"answers of {plan.study} have left, and {StateFolder(state).splits} no longer says "
            "who trained and who tests",
            todo="put that folder back from a copy. Without it a patient may be tested who was "
            "trained on",
            data="nothing was trained",
        )
