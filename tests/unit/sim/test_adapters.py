"""Adapters beside what protects patients and hospitals: noise and secure sums."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from tests.conftest import MakePlan
from tests.noisy import noisy
from tests.unit.server.test_adapters_start import SIZE, finish, from_file, start_file

from medfl_common.run.checkpoint import find_round
from medfl_common.run.model_file import WEIGHTS

__all__ = ["start_file"]  # a fixture
BEGINS: dict[str, object] = {"federation": {"rounds": 1, "keep_every": 1}}


def test_secure_sums_of_adapters_are_their_mean(
    hospitals: Path, make_plan: MakePlan, start_file: Path, tmp_path: Path
) -> None:
    model = from_file(start_file, adapters={"rank": 2})
    sections = BEGINS | {"images": SIZE, "model": model, "evaluation": {"keep": "last"}}
    sums = {"secure_sum": {"most_images": 40}}
    plain = finish(tmp_path / "a", make_plan("a.yaml", **sections), hospitals)
    summed = finish(tmp_path / "b", make_plan("b.yaml", **sections, privacy=sums), hospitals)

    kept = [find_round(study.checkpoints, 1) for study in (plain, summed)]

    first, second = (load_file(path) for path in kept if path is not None)
    assert len(first) == 12 * 2 + 2
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=1e-6, atol=1e-7)


def test_a_vit_trains_with_noise_through_its_adapters(
    hospitals: Path, make_plan: MakePlan, start_file: Path, tmp_path: Path
) -> None:
    model = from_file(start_file, adapters={"rank": 2})
    plan = make_plan(**BEGINS | {"images": SIZE, "model": model} | noisy())

    study = finish(tmp_path / "s", plan, hospitals)

    begun, trained = load_file(study.files.initial_weights), load_file(study.folder / WEIGHTS)
    moved = [name for name, tensor in trained.items() if not torch.equal(tensor, begun[name])]
    assert len(moved) == 12 * 2 + 2
    assert all(bool(tensor.isfinite().all()) for tensor in trained.values())
