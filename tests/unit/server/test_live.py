"""`live.json` says during a question who is at work, who answered, and who is away."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import MakePlan
from tests.unit.server.slow_post import SlowPost

from medfl_client.task.session import shapes_of
from medfl_common.models import build_model
from medfl_common.run.log import RunLog
from medfl_server.rounds.collect import Collection
from medfl_server.rounds.late_replies import LateReplies
from medfl_server.rounds.live import LiveFile, told_live, waiting
from medfl_server.rounds.paused import PausedError
from medfl_server.rounds.quorum import wait_for_quorum
from medfl_server.rounds.sent_once import SentOnce
from medfl_server.study.run_directory import Study, create_study
from medfl_server.superlink.transport import ConnectedSite


class EnoughError(Exception):
    """The wait was looked at."""


class OneAway(SlowPost):
    """Site c is on the roster and does not connect."""

    def connected_sites(self) -> Mapping[str, ConnectedSite]:
        return {site: to for site, to in super().connected_sites().items() if site != "c"}


def told(study: Study) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(study.files.live.read_text())
    return facts


def collection(study: Study, post: SlowPost) -> Collection:
    late = LateReplies(post, RunLog(study.folder), print, study.plan.federation)
    return Collection(
        study, post, print, lambda site, result: None, SentOnce({}), late, live=LiveFile(study)
    )


def test_during_a_round_the_file_says_what_each_site_does(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    study = create_study(tmp_path / "study", make_plan())
    is_enough = threading.Event()
    post = OneAway({"a": 0.0, "b": 0.01, "c": 0.0}, lambda said: is_enough.is_set())
    shapes = shapes_of(build_model(study.plan), "shared")
    weights = {name: torch.zeros(shape) for name, shape in shapes.items()}
    asked = collection(study, post)
    before = time.time()
    round_ = threading.Thread(target=asked.run, args=("train", 3, weights, lambda: 2))
    round_.start()
    while not study.files.live.exists() or told(study)["sites"]["a"]["state"] != "answered":
        time.sleep(0.05)
    seen = told(study)
    is_enough.set()
    round_.join()

    assert {site: one["state"] for site, one in seen["sites"].items()} == {
        "a": "answered", "b": "asked", "c": "away",
    }  # fmt: skip
    assert (seen["run"], seen["kind"], seen["round"], seen["quorum"]) == (study.run, "train", 3, 2)
    assert seen["deadline"] == pytest.approx(seen["since"] + study.plan.federation.deadline_s)
    assert before - 1 <= seen["since"] <= seen["sites"]["b"]["since"] + 1 <= time.time() + 2


def test_before_a_round_the_file_says_who_is_waited_for(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    study = create_study(tmp_path / "study", make_plan())
    live, looks = LiveFile(study), iter([True, False])

    def heed() -> None:
        if not next(looks):
            raise EnoughError

    with pytest.raises(EnoughError):
        wait_for_quorum(
            OneAway(dict.fromkeys("abc", 0.0)),
            lambda n: 2,
            60.0,
            print,
            lambda: ["d"],
            heed,
            waiting(live, 0),
        )

    seen = told(study)
    assert (seen["kind"], seen["quorum"], seen["deadline"]) == ("waiting for hospitals", 2, None)
    states = {site: one["state"] for site, one in seen["sites"].items()}
    assert states == {"a": "waiting", "b": "waiting", "c": "away", "d": "away"}
    assert seen["sites"]["d"]["why"] == "invited"


def test_a_pause_stays_in_the_file_and_another_end_leaves_none(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    study = create_study(tmp_path / "study", make_plan())
    live = LiveFile(study)

    with pytest.raises(PausedError), told_live(live):
        raise PausedError("paused")
    assert told(study)["kind"] == "paused"

    with pytest.raises(KeyboardInterrupt), told_live(live):
        raise KeyboardInterrupt
    assert not study.files.live.exists()


def test_the_file_is_written_at_most_twice_a_second_and_only_where_it_changes(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    study = create_study(tmp_path / "study", make_plan())

    def times_written(away: Callable[[], str]) -> int:
        tell, written, ends = waiting(LiveFile(study), 0), set[int](), time.monotonic() + 1.2
        while time.monotonic() < ends:
            tell(["a"], [away()], [], 1)
            written.add(study.files.live.stat().st_mtime_ns)
        return len(written)

    assert 2 <= times_written(lambda: f"{time.monotonic()}") <= 3
    assert times_written(lambda: "b") == 1


def test_a_start_removes_what_an_earlier_process_said(tmp_path: Path, make_plan: MakePlan) -> None:
    study = create_study(tmp_path / "study", make_plan())
    study.files.live.write_text('{"kind": "train"}')

    LiveFile(study)

    assert not study.files.live.exists()
