from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from flwr.app import ConfigRecord, RecordDict

from medfl_common.errors import RunError
from medfl_common.metrics import N_BINS, Tally
from medfl_common.plan import Plan
from medfl_common.records import TrainResult, TrainTask, encode_result, plan_number
from medfl_server.admission import admit

SHAPES = {"w": (2, 2), "b": (3,)}
UPDATE = {"w": torch.ones(2, 2), "b": torch.zeros(3)}
CURVE = np.zeros((1, N_BINS), dtype=np.int64)
TALLY = Tally(4, 0.5, np.array([[2, 0], [1, 1]]), CURVE, CURVE)


def task(plan: Plan) -> TrainTask:
    return TrainTask("train", "0" * 32, 2, 77, "north", plan, {})


def good(plan: Plan) -> TrainResult:
    return TrainResult(plan_number(plan), 2, 77, n_images=9, tally=TALLY, update=UPDATE)


def test_a_good_reply_is_admitted_whole(plan: Plan) -> None:
    found = admit(encode_result(good(plan)), task(plan), SHAPES)

    assert found.n_images == 9
    assert torch.equal((found.update or {})["w"], UPDATE["w"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nonce": 78}, "another plan, round or request"),
        ({"round": 1}, "another plan, round or request"),
        ({"plan": 1}, "another plan, round or request"),
        ({"update": None}, "no update"),
        ({"update": {"w": torch.ones(2, 2)}}, r"float32 \(7,\) was expected"),
        ({"update": {**UPDATE, "b": torch.tensor([1.0, torch.inf, 0.0])}}, "NaN or an infinity"),
        ({"n_images": 0}, "n_images is 0"),
        ({"n_images": -300}, "n_images is -300"),
        ({"n_images": 10**18}, "n_images is 1000000000000000000"),
        ({"train_loss": float("nan")}, "NaN or an infinity"),
        ({"tally": replace(TALLY, n=5)}, "do not add up"),
        ({"tally": replace(TALLY, confusion=np.array([[9, -5], [0, 0]]))}, "other than counts"),
    ],
)
def test_a_reply_that_is_not_what_was_asked_for_is_quarantined(
    change: dict[str, object], message: str, plan: Plan
) -> None:
    content = encode_result(replace(good(plan), **change))

    with pytest.raises(RunError, match=message):
        admit(content, task(plan), SHAPES)


def note(content: RecordDict) -> None:
    content["note"] = ConfigRecord({"name": "DOE^JOHN"})


def text(content: RecordDict) -> None:
    del content.metric_records["numbers"]["n_images"]


def protocol(content: RecordDict) -> None:
    content.metric_records["numbers"]["protocol"] = 1


@pytest.mark.parametrize("damage", [note, text, protocol, RecordDict.clear])
def test_a_reply_of_another_form_is_quarantined(
    damage: Callable[[RecordDict], None], plan: Plan
) -> None:
    content = encode_result(good(plan))
    damage(content)

    with pytest.raises(RunError):
        admit(content, task(plan), SHAPES)


def test_a_code_is_admitted_even_if_the_site_could_not_read_the_task(plan: Plan) -> None:
    failed = TrainResult(0, 0, 0, code=500, incident=123456789)

    assert admit(encode_result(failed), task(plan), SHAPES).code == 500
