"""Which part each patient has, noted when first used: `state/splits`, one file for each salt.

The file names nobody: it holds keyed hashes of pseudonyms.
"""

import hashlib
import json
from pathlib import Path

from medfl_client.config.folder import StateFolder
from medfl_client.data.earlier_split import sides_of_earlier_version
from medfl_client.data.ingest import Collection
from medfl_client.data.parts import PARTS
from medfl_client.data.split import Sides, salt_of
from medfl_common.errors import DataError
from medfl_common.files import write_atomic
from medfl_common.plan.plan import Plan


def known_sides(state: Path, plan: Plan, collection: Collection, site: str) -> Sides:
    """Give the patients' parts from before, of whichever version; empty: there are none."""
    if _path(state, plan).exists():
        return read_sides(state, plan)
    return sides_of_earlier_version(state, plan, collection, site) or {}


def read_sides(state: Path, plan: Plan) -> Sides:
    """Give what is noted of a plan's split; empty: it was not used here."""
    path = _path(state, plan)
    if not path.exists():
        return {}
    try:
        sides = json.loads(path.read_bytes())["parts"]
        return {key: PARTS[PARTS.index(part)] for key, part in sides.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(
            f"{path} is damaged: it says who trains and who tests",
            todo="put it back from a copy. Without it a patient may be tested who was trained on",
            data="nothing was trained",
        ) from None


def keep_sides(state: Path, plan: Plan, sides: Sides) -> None:
    """Note the patients' parts beside those from before, on the disk before anything is trained."""
    known = read_sides(state, plan)
    path = _path(state, plan)
    if path.exists() and sides.items() <= known.items():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = json.dumps({"version": 1, "parts": {**known, **sides}}, sort_keys=True)
    write_atomic(path, text.encode())


def _path(state: Path, plan: Plan) -> Path:
    name = hashlib.sha256(salt_of(plan)).hexdigest()[:32]
    return StateFolder(state).splits / f"{name}.json"
