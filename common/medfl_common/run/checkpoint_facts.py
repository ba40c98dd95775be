"""What a checkpoint keeps of its round beside the weights."""

from typing import Any

from medfl_common.files import Json
from medfl_common.run.best import Best, best_to_json
from medfl_common.run.events import Asked
from medfl_common.run.site_reply import Facts


def checkpoint_facts(asked: Asked, best: Best | None, pending: Json = None) -> dict[str, Json]:
    """Give what a checkpoint keeps of its round, so that a crash cannot cost the log line."""
    more = {} if pending is None else {"in_flight": pending}
    return {**asked.facts, "best": best_to_json(best), **more}


def pending_of(meta: Facts) -> dict[str, Any] | None:
    """Read the tasks that were not answered yet when a checkpoint was made."""
    return meta.get("in_flight")
