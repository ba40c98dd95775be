"""What leaving costs at a hospital: the guard, the ledger line and the signature of one update.

    guard.py [MILLIONS OF WEIGHTS] [TIMES]

Prints the median seconds of each for one update (11.2 million weights are 45 MB), and of the check
of the signature at the coordinator.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from medfl_client.config.identity import create_identity, signing_key
from medfl_client.config.site_file import Policy
from medfl_client.egress import ledger
from medfl_client.egress.guard import release
from medfl_common.plan.plan import Plan, plan_from_values
from medfl_common.wire.digest import content_sha256
from medfl_common.wire.results import TrainResult, plan_number
from medfl_common.wire.signature import check_seal, seal
from medfl_common.wire.tasks import TrainTask

PLAN = {
    "plan": 1,
    "study": "guard",
    "seed": 0,
    "task": {"type": "binary", "classes": ["normal", "opacity"]},
    "images": {"modality": ["CR", "DX"], "size": 64},
    "model": {"name": "small_cnn"},
    "federation": {"rounds": 1},
}


def seconds(work: Callable[[], object], times: int) -> float:
    """Give the median of some runs."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def main(millions: float, times: int) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    plan: Plan = plan_from_values(PLAN)  # type: ignore[arg-type]
    task = TrainTask("train", "0" * 32, 1, 5, "north", plan, {})
    update = {"w": torch.randn(int(millions * 1e6))}
    shapes = {"w": tuple(update["w"].shape)}
    result = TrainResult(plan_number(plan), 1, 5, n_images=100, update=update)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        line = create_identity(folder, "north")[1]
        key, content = signing_key(folder), release(result, task, Policy(), shapes)
        entry = {"bytes": 0, "sha256": content_sha256(content)}
        costs = {
            "guard": seconds(lambda: release(result, task, Policy(), shapes), times),
            "ledger line": seconds(
                lambda: ledger.append(folder / "l", {**entry, "sha256": content_sha256(content)}),
                times,
            ),
            "signature": seconds(lambda: seal(content, "0" * 64, key), times),
        }
        sealed = seal(content, "0" * 64, key)
        checked = seconds(lambda: check_seal(sealed, "0" * 64, line), times)
    for what, cost in costs.items():
        print(f"{what}: {cost:.3f} s")
    print(f"all three: {sum(costs.values()):.3f} s for {4 * millions:.0f} MB")
    print(f"the coordinator's check of the signature: {checked:.3f} s")


if __name__ == "__main__":
    numbers = [float(argument) for argument in sys.argv[1:]]
    main(numbers[0] if numbers else 11.2, int(numbers[1]) if len(numbers) > 1 else 9)
