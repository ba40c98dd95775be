import json
from pathlib import Path

import pytest
import torch

from medfl_common.errors import RunError
from medfl_common.run.checkpoint import Checkpoint, load_newest, save
from medfl_common.run.log import RunLog


def checkpoint(round_: int) -> Checkpoint:
    return Checkpoint(round_, {"w": torch.full((3,), float(round_))}, {"note": round_})


def test_the_newest_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    for round_ in range(4):
        save(tmp_path, checkpoint(round_))

    found, warnings = load_newest(tmp_path)

    assert found is not None
    assert torch.equal(found.weights["w"], torch.full((3,), 3.0))
    assert (found.round, found.meta, warnings) == (3, {"note": 3}, [])
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    save(tmp_path, checkpoint(1))
    save(tmp_path, checkpoint(2))
    damaged = tmp_path / "round-0002.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\xff")

    found, warnings = load_newest(tmp_path)

    assert found is not None
    assert found.round == 1
    assert "round-0002 is damaged" in warnings[0]


def test_tensors_without_their_json_are_not_a_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, checkpoint(1))
    save(tmp_path, checkpoint(2))
    (tmp_path / "round-0002.json").unlink()

    found, _ = load_newest(tmp_path)

    assert found is not None
    assert found.round == 1


def test_no_whole_checkpoint_is_an_error_and_none_at_all_is_a_start(tmp_path: Path) -> None:
    assert load_newest(tmp_path) == (None, [])
    save(tmp_path, checkpoint(1))
    (tmp_path / "round-0001.json").write_text("{")

    with pytest.raises(RunError, match="no checkpoint"):
        load_newest(tmp_path)


def test_a_torn_last_line_is_cut_and_the_rest_stays(tmp_path: Path) -> None:
    RunLog(tmp_path).write("round", round=1)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"event": "round", "rou')

    log = RunLog(tmp_path)
    log.write("round", round=2)

    assert [event["round"] for event in log.lines("round")] == [1, 2]
    assert all(json.loads(line) for line in log.path.read_text().splitlines())
