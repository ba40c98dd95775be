"""Is a reply of a secure sum what was asked for? What is masked cannot be looked into."""

from dataclasses import replace

from flwr.app import RecordDict

from medfl_common.errors import RunError
from medfl_common.wire.digest import MASKED, PART
from medfl_common.wire.results import TrainResult
from medfl_common.wire.secure_sum import BESIDE, KINDS, ZERO, read_masked, read_part
from medfl_common.wire.tasks import TrainTask
from medfl_server.aggregation.invariants import MAX_SECONDS


def admit_masked(
    result: TrainResult, content: RecordDict, task: TrainTask, size: int
) -> TrainResult:
    """Add the masked numbers, or the answer to a small trip; RunError where anything is beside it.

    Args:
        result: What the reply says in numbers.
        content: The reply.
        task: What was asked.
        size: Masked numbers, or bytes, that are expected.
    """
    numbers = content.metric_records["numbers"]
    told = {name for name in numbers if name not in BESIDE | ZERO}
    if told or any(numbers[name] for name in ZERO & set(numbers)):
        raise RunError("the reply says more beside its masked numbers than is asked")
    if not 0 <= result.seconds <= MAX_SECONDS:
        raise RunError(f"seconds is {result.seconds:g}; 0 to {MAX_SECONDS:g} is possible")
    is_small = task.kind in KINDS
    if ("update" in content) or (MASKED if is_small else PART) in content:
        raise RunError("the reply holds other arrays than were asked for")
    if is_small:
        return replace(result, part=read_part(content, size))
    return replace(result, masked=read_masked(content, size))
