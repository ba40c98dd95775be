"""The coordinator's last word to a site: the study is over, or rests. Signed like a task."""

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from flwr.app import ConfigRecord, RecordDict

from medfl_common.errors import LinkError
from medfl_common.plan.settings import MAX_MESSAGE
from medfl_common.wire.protocol import PROTOCOL, RUN

Why = Literal["finished", "paused", "stopped"]
KIND = "goodbye"


@dataclass(frozen=True)
class Goodbye:
    """Why the coordinator goes."""

    why: Why
    study: str
    run: str
    plan: str  # hash
    round: int  # the last that was made
    message: str = ""  # why a person has paused or ended the study, in their words


FIELDS = ("why", "study", "run", "plan", "round")  # that each goodbye has


def encode_goodbye(goodbye: Goodbye) -> RecordDict:
    """Write a goodbye as a task that asks for nothing."""
    config = {"protocol": PROTOCOL, "kind": KIND, **vars(goodbye)}
    if not goodbye.message:  # as versions of before wrote it
        del config["message"]
    return RecordDict({"task": ConfigRecord(config)})


def goodbye_in(content: RecordDict) -> Goodbye | None:
    """Read a goodbye; None where the message is a task."""
    config = content.config_records["task"]
    if config.get("kind") != KIND:
        return None
    why, study, run, plan, round_ = (config.get(key) for key in FIELDS)
    message = config.get("message", "")
    if not (
        why in get_args(Why)
        and isinstance(study, str)
        and isinstance(run, str)
        and re.fullmatch(RUN, run)  # a site looks for a folder of this name
        and isinstance(plan, str)
        and isinstance(round_, int)
        and isinstance(message, str)
        and len(message) <= MAX_MESSAGE
    ):
        raise LinkError("the coordinator's last word cannot be read", todo="update medfl here")
    return Goodbye(cast(Why, why), study, run, plan, round_, message)
