from dataclasses import replace
from pathlib import Path

import torch

from medfl_common.wire.results import TrainResult
from medfl_server.rounds.reorder_buffer import ReorderBuffer


def test_an_update_comes_back_from_the_disk_with_the_same_bits(tmp_path: Path) -> None:
    update = {"w": torch.randn(300, 1000), "b": torch.tensor([1e-40, -0.0, 3.0])}
    result = TrainResult(1, 2, 3, n_images=7, update=update)
    waiting = ReorderBuffer(tmp_path / "waiting")

    waiting.put("north", result)
    waiting.put("south", replace(result, update={"b": update["b"]}))  # small: stays in memory

    assert [path.name for path in (tmp_path / "waiting").iterdir()] == ["north.safetensors"]
    found = waiting.pop("north")
    assert found is not None
    assert found.n_images == 7
    for name, tensor in update.items():
        assert (found.update or {})[name].numpy().tobytes() == tensor.numpy().tobytes()
    assert list((tmp_path / "waiting").iterdir()) == []
    assert waiting.pop("north") is None
    assert waiting.pop("south") is not None


def test_a_full_disk_keeps_an_update_in_memory_and_a_start_clears_what_is_old(
    tmp_path: Path,
) -> None:
    (tmp_path / "waiting").mkdir()
    (tmp_path / "waiting" / "old.safetensors").write_bytes(b"from before a crash")
    update = {"w": torch.randn(300, 1000)}
    waiting = ReorderBuffer(tmp_path / "waiting")
    assert not (tmp_path / "waiting").exists()
    (tmp_path / "waiting").write_text("in the way")  # as a disk that takes nothing

    waiting.put("north", TrainResult(1, 2, 3, update=update))

    found = waiting.pop("north")
    assert found is not None
    assert torch.equal((found.update or {})["w"], update["w"])
