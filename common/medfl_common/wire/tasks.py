"""Tasks as Flower records, and back: the only file with their record keys.

A task may carry text, since it goes to the hospital.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar, cast, get_args

from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from medfl_common.errors import LinkError
from medfl_common.models.norms import is_statistic
from medfl_common.models.weights import Weights
from medfl_common.plan.plan import Plan, plan_from_json
from medfl_common.wire.digest import task_digest
from medfl_common.wire.graphs import GRAPHS, pack_graphs
from medfl_common.wire.protocol import PROTOCOL, RUN
from medfl_common.wire.secure_sum import LISTED, SUM, SumOrder, pack_order, read_order
from medfl_common.wire.tensors import Shapes, codec_of, decode_weights, encode_weights

Kind = Literal["train", "evaluate", "test", "describe", "keys", "setups", "open"]
SCORINGS = 10**6  # in a secure sum they are numbered from here
Value = TypeVar("Value", int, str)


@dataclass(frozen=True)
class TrainTask:
    """What the coordinator asks of one site in one round."""

    # train: score, then train; evaluate: score only; test: score on the test part; describe: count;
    # keys, setups, open: the small trips of a secure sum
    kind: Kind
    run: str  # the study run, 32 hex digits
    # train: the round to be made, from 1; open: the round whose sum is opened; describe, keys,
    # setups: 0; else the last round made
    round: int
    nonce: int  # the same whenever this run asks this site for this round, 0..2**62-1
    site: str  # the name under which the coordinator enrolled the site
    plan: Plan
    weights: Weights  # what is shared; describe: none
    start: Weights | None = None  # what is not, with the first task after a site has connected
    # What the coordinator's strategy keeps, where the sites get it with the weights.
    server_state: Weights = field(default_factory=dict)
    sum: SumOrder | None = None  # what belongs to a secure sum, where the plan has one

    @property
    def sum_round(self) -> int:
        """Number what is summed; a scoring has numbers that no round has, however it goes on."""
        return sum_round(self.kind, self.round)

    @property
    def is_scoring(self) -> bool:
        """Say whether a finished model is scored, and nothing is trained."""
        return self.kind in ("evaluate", "test")


def sum_round(kind: Kind, round_: int) -> int:
    """Number what is summed: a round as it is, a scoring after all rounds that may ever be."""
    return SCORINGS + 2 * round_ + (kind == "test") if kind in ("evaluate", "test") else round_


def pack_weights(weights: Weights, plan: Plan) -> ArrayRecord:
    """Pack what goes to the sites each round."""
    messages = plan.federation.messages
    return encode_weights(weights, codec_of(messages, messages.weights))


def encode_task(
    task: TrainTask,
    weights: ArrayRecord | None = None,
    start: ArrayRecord | None = None,
    server_state: ArrayRecord | None = None,
    has_graphs: bool = False,
) -> RecordDict:
    """Write a task as records.

    Args:
        task: What is asked.
        weights: The task's, packed already; so are the next two.
        start: What is sent once.
        server_state: What the strategy keeps.
        has_graphs: Whether what the plan brings as data goes along.
    """
    config: dict[str, int | str] = {
        "protocol": PROTOCOL,
        "kind": task.kind,
        "run": task.run,
        "round": task.round,
        "nonce": task.nonce,
        "site": task.site,
        "plan": task.plan.canonical(),
    }
    packed = weights if weights is not None else pack_weights(task.weights, task.plan)
    content = RecordDict({"weights": packed, "task": ConfigRecord({**config})})
    if start is None and task.start is not None:
        start = encode_weights(task.start)
    if start is not None:
        content["start"] = start
    if server_state is None and task.server_state:
        server_state = pack_weights(task.server_state, task.plan)
    if server_state is not None:
        content["told"] = server_state
    if has_graphs:
        content[GRAPHS] = pack_graphs(task.plan)
    if task.sum is not None:
        content[SUM] = pack_order(task.kind, task.sum)
    return content


def check_protocol(content: RecordDict) -> None:
    """Raise LinkError where the other end has another version of medfl."""
    protocol = _typed(content.config_records.get("task", ConfigRecord()), "protocol", int)
    if protocol != PROTOCOL:
        raise LinkError(
            f"the coordinator speaks protocol {protocol}, this site {PROTOCOL}",
            todo="use the same version of medfl at both ends",
            who="the coordinator",
        )


def decode_task_head(content: RecordDict) -> TrainTask:
    """Read all of a task but the weights, which need the model's shapes."""
    check_protocol(content)
    config = content.config_records["task"]
    run = _typed(config, "run", str)
    if not re.fullmatch(RUN, run):
        raise LinkError("the task's run is not 32 hex digits")
    kind = _typed(config, "kind", str)
    if kind not in get_args(Kind):
        raise LinkError(
            f"the task is to {kind[:40]!r}, which this site does not know", todo="update medfl here"
        )
    plan = plan_from_json(_typed(config, "plan", str))
    return TrainTask(
        kind=cast(Kind, kind),
        run=run,
        round=_typed(config, "round", int),
        nonce=_typed(config, "nonce", int),
        site=_typed(config, "site", str),
        plan=plan,
        weights={},
        sum=_order(content, kind, plan),
    )


def _order(content: RecordDict, kind: str, plan: Plan) -> SumOrder | None:
    """Read what belongs to a secure sum: all of it, where the plan has one, and nothing else."""
    record = content.config_records.get(SUM)
    is_due = plan.privacy.secure_sum is not None and kind in LISTED
    if (record is not None) != is_due:
        raise LinkError(
            f"the task is to {kind!r}, and the plan's privacy.secure_sum says otherwise"
        )
    return None if record is None else read_order(kind, record)


def decode_task_weights(
    content: RecordDict, head: TrainTask, shapes: Shapes, start_shapes: Shapes
) -> TrainTask:
    """Add the weights to the head of a task."""
    messages, records = head.plan.federation.messages, content.array_records
    codec = codec_of(messages, messages.weights)
    trained = {name: shape for name, shape in shapes.items() if not is_statistic(name)}
    packed = records.get("start")
    return replace(
        head,
        weights=decode_weights(records.get("weights", ArrayRecord()), shapes, codec),
        start=decode_weights(packed, start_shapes) if packed is not None else None,
        server_state=decode_weights(records["told"], trained, codec) if "told" in records else {},
    )


def asked_sha256(content: RecordDict) -> dict[str, str]:
    """SHA-256 of each array record of a task, as it came; empty where there is none."""
    return {
        name: task_digest(RecordDict({name: content[name]})) if name in content else ""
        for name in ("weights", "told", "start")
    }


def question_sha256(content: RecordDict) -> str:
    """SHA-256 of all that a task asks; what is sent once may come with it again, or not."""
    return task_digest(content, but=("start", GRAPHS))


def _typed(config: ConfigRecord, key: str, kind: type[Value]) -> Value:
    """Read a value of a kind, or raise LinkError."""
    value = config.get(key)
    if type(value) is not kind:  # a bool is no number
        raise LinkError(f"the task's {key} is missing or of the wrong type")
    return value
