"""How far the coordinator's weights move between two questions, in the site's own largest updates.

`policy.model_step` bounds it; without it nothing is kept and nothing is compared. The weights of
the newest answer, and the norm of the largest own update so far, are in `state/steps`, by run.
"""

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save

from medfl_client.config.folder import StateFolder
from medfl_client.egress.questions import refused
from medfl_common.files import write_atomic
from medfl_common.models.norms import is_statistic
from medfl_common.models.weights import Weights, difference, norm
from medfl_common.wire.tasks import TrainTask


def check_step(state: Path, task: TrainTask, most: float | None) -> float:
    """Raise QuestionError where the weights are too far from those answered last.

    A site that has not been asked for some rounds allows so many times as much.

    Returns:
        How many times the largest own update a round they have moved; 0: nothing to compare with.
    """
    before = _read(state, task) if most is not None else None
    if before is None or most is None:
        return 0.0
    weights, rounds_made, largest = before
    n_rounds = max(abs(_rounds_made(task) - rounds_made), 1)
    far = norm(difference(_trained(task.weights), weights)) / n_rounds
    times = far / largest if largest else 0.0
    if times > most:
        raise refused(
            f"the weights of round {task.round} moved by {times:.3g} times this site's largest "
            f"update, {most:g} is the most",
            "model_step",
        )
    return times


def keep_step(state: Path, task: TrainTask, update: Weights | None) -> None:
    """Keep the newest weights that were answered, and the norm of the largest own update."""
    before = _read(state, task)
    largest = max(before[2] if before else 0.0, norm(_trained(update or {})))
    rounds_made = max(before[1] if before else 0, _rounds_made(task))
    newest = before[0] if before and rounds_made > _rounds_made(task) else _trained(task.weights)
    metadata = {"rounds_made": str(rounds_made), "largest": repr(largest)}
    path = _path(state, task)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(path, save(newest, metadata=metadata))


def _read(state: Path, task: TrainTask) -> tuple[Weights, int, float] | None:
    path = _path(state, task)
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return weights, int(facts["rounds_made"]), float(facts["largest"])


def _trained(weights: Weights) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in weights.items() if not is_statistic(name)}


def _rounds_made(task: TrainTask) -> int:
    """Count the rounds behind the task's weights."""
    return task.round - (task.kind == "train")


def _path(state: Path, task: TrainTask) -> Path:
    return StateFolder(state).steps / f"{task.run}.safetensors"
