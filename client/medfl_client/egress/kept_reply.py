"""The last reply of each study is kept: asked again after a crash, a site trains nothing twice.

A reply that was released under another policy is not sent again: the guard decides anew.
"""

import json
from pathlib import Path

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from safetensors import safe_open
from safetensors.torch import save

from medfl_client.config.folder import StateFolder
from medfl_client.config.site_file import Policy
from medfl_common.files import write_atomic
from medfl_common.wire.digest import MASKED
from medfl_common.wire.tasks import TrainTask

UPDATE = "update"
# Rules of questions and amounts, not of what a reply holds.
UNRELATED = {"repeats", "start_weights", "min_batch", "model_step", "max_mb_ever"}


def keep(state: Path, task: TrainTask, question: str, policy: Policy, content: RecordDict) -> None:
    """Keep what was released for a task, in place of the reply before; `question`: its SHA-256."""
    record = MASKED if MASKED in content else UPDATE
    arrays = {name: array.numpy() for name, array in content.array_records.get(record, {}).items()}
    if record == MASKED:  # the same bits, of a type that every version of torch can write
        arrays = {name: array.view(np.int32) for name, array in arrays.items()}
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    numbers = json.dumps(dict(content.metric_records["numbers"]))
    path = _path(state, task)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"task": _identity(task, policy), "numbers": numbers, "question": question}
    metadata["record"] = record
    write_atomic(path, save(tensors, metadata=metadata))


def find(state: Path, task: TrainTask, question: str, policy: Policy) -> RecordDict | None:
    """Give the reply that was released for this very task, if it is the one kept."""
    path = _path(state, task)
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        is_asked = metadata.get("question", question) == question  # 0.1.0 wrote none at first
        if metadata["task"] != _identity(task, policy) or not is_asked:
            return None
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    content = RecordDict({"numbers": MetricRecord(json.loads(metadata["numbers"]))})
    if tensors:
        record = metadata.get("record", UPDATE)
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        if record == MASKED:
            arrays = {name: array.view(np.uint32) for name, array in arrays.items()}
        content[record] = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    return content


def _path(state: Path, task: TrainTask) -> Path:
    return StateFolder(state).replies / f"{task.run}.safetensors"


def _identity(task: TrainTask, policy: Policy) -> str:
    decides = policy.model_dump_json(exclude=UNRELATED)
    return f"{task.kind} {task.round} {task.nonce} {task.plan.hash()} {decides}"
