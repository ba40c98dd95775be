"""Whose images the answers were of: two that differ by a few patients would tell those patients.

`state/patient-sets` holds, for each plan and each set of patients that was answered with, the
patients' pseudonyms and a hash of their images' names, apart for training, validation and test.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from medfl_client.config.folder import StateFolder
from medfl_client.config.rules import RULES, rule
from medfl_common.errors import DisclosureError
from medfl_common.files import write_atomic
from medfl_common.wire.tasks import TrainTask

TRAIN, VALIDATION, TEST = "train", "validation", "test"
Members = Mapping[str, Mapping[str, str]]  # part -> patient -> hash of the images


@dataclass(frozen=True)
class FewApart:
    """By how many patients these data differ from some that were answered with; 0: none, or many.

    The numbers are below the smallest cell.
    """

    scored: int = 0  # between the validation patients
    tested: int = 0  # between the test patients
    all: int = 0  # between the patients in all
    trained: int = 0  # between the patients trained on, under another plan
    same_plan: int = 0  # under the same plan, of whatever set


def require_apart(task: TrainTask, few: FewApart, is_again: bool) -> None:
    """Refuse an answer that could be subtracted from another; raises DisclosureError."""
    n = {"describe": few.all, "train": few.trained}.get(task.kind, 0)
    n = few.same_plan if is_again and not n else n
    if n:
        error = DisclosureError(
            f"the patients differ by {n} from those of an earlier answer; the difference would "
            f"tell of them {rule('min_cell')}",
            data="nothing was sent",
            todo="agree on a plan with the same patients, or wait until more of them are others",
        )
        error.rule = RULES["min_cell"][0]
        raise error


def compare(
    state: Path, plan: str, members: Members, min_cell: int, of_run: Set[str] = frozenset()
) -> FewApart:
    """Say by how few patients these data differ from all that were answered with before.

    Args:
        state: The site's.
        plan: Hash of the plan.
        members: The patients now.
        min_cell: So many are not few.
        of_run: Hashes of the plans that the run had before: it goes on under a changed one.
    """
    found: dict[str, int] = {}
    for other, before in _versions(state):
        parts = (VALIDATION, TEST, TRAIN)
        scored, tested, trained = (_few(members, before, min_cell, s) for s in parts)
        every = _few(members, before, min_cell, *parts)
        seen = {"scored": scored, "tested": tested, "all": every}
        if other == plan or other in of_run:
            seen["same_plan"] = scored or tested or trained or every
        else:
            seen["trained"] = trained
        found |= {name: n for name, n in seen.items() if n}
    return FewApart(**found)


def keep(state: Path, plan: str, members: Members) -> None:
    """Note the patients of an answer, on the disk before it leaves."""
    text = json.dumps({"version": 2, "plan": plan, **members}, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()
    path = StateFolder(state).patient_sets / f"{name}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(path, text.encode())


def _versions(state: Path) -> Iterator[tuple[str, Members]]:
    for path in sorted(StateFolder(state).patient_sets.glob("*.json")):
        facts = json.loads(path.read_text())
        yield facts["plan"], facts


def _few(now: Members, before: Members, min_cell: int, *sets: str) -> int:
    """Count the patients by whom two sets differ, or else by whose images; 0 where they are many.

    By patients first: another plan may name the same images otherwise.
    """
    new, old = ({k: v for s in sets for k, v in one.get(s, {}).items()} for one in (now, before))
    n = len(new.keys() ^ old.keys()) or sum(new[name] != old[name] for name in new)
    return n if n < min_cell else 0
