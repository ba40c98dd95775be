from pathlib import Path

import torch

from medfl_common.ops.machine import available_memory, check_disk, check_memory, check_versions
from medfl_common.plan.plan import Plan
from medfl_common.wire.cost import TRAINING, sizes, training_bytes


def test_memory_and_disk_warn_when_tight_and_fail_when_short(tmp_path: Path) -> None:
    states = [check_memory(needed, "x", 1000).state for needed in (799, 801, 1001)]
    disk = [check_disk(tmp_path / "not" / "there", n, "x").state for n in (1, 10**18)]

    assert states == ["ok", "warn", "fail"]
    assert disk == ["ok", "fail"]
    assert check_memory(1, "x", None).state == "not checked"


def test_available_memory_is_what_the_system_says(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  9 kB\nMemAvailable:    3 kB\n")

    assert available_memory(tmp_path / "meminfo") == 3072
    assert available_memory(tmp_path / "none") is None


def test_a_missing_program_or_a_decoder_that_does_not_load_is_named() -> None:
    assert check_versions(("torch",), ("gdcm",)).state == "ok"
    assert "no-such-program missing" in check_versions(("no-such-program",)).seen
    assert "missing or damaged: no_such_module" in check_versions((), ("no_such_module",)).seen


def test_memory_of_a_step_grows_with_the_batch_and_takes_none_itself(plan: Plan) -> None:
    def needed(n: int) -> int:
        training = plan.training.model_copy(update={"batch_size": n})
        return training_bytes(plan.model_copy(update={"training": training}))

    one, two, three = needed(1), needed(2), needed(3)
    weights = 4 * TRAINING * sizes(plan)[0]

    assert three - two == two - one > 0
    assert abs(one - (two - one) - weights) <= 0.01 * weights
    assert torch.get_default_device() == torch.device("cpu")
