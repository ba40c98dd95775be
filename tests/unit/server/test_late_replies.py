"""Only an answer that came too late is told as one."""

from pathlib import Path
from typing import Any, cast

import pytest
from flwr.app import RecordDict

from medfl_common.plan.plan import Plan
from medfl_common.run.log import RunLog
from medfl_common.wire.results import TrainResult, encode_result
from medfl_server.rounds.asked_sites import Asked
from medfl_server.rounds.late_replies import LateReplies
from medfl_server.superlink.transport import Arrival, ConnectedSite, Post


def reply(code: int) -> RecordDict:
    return encode_result(TrainResult(plan=1, round=25, nonce=3, code=code, incident=code))


@pytest.mark.parametrize(
    ("arrival", "is_late"),
    [
        (Arrival(None), False),  # Flower's error: the site has answered nothing
        (Arrival(reply(410)), False),  # a refusal
        (Arrival(RecordDict({})), False),
        (Arrival(reply(0)), True),
    ],
)
def test_an_error_or_a_refusal_is_no_late_answer(
    arrival: Arrival, is_late: bool, tmp_path: Path, plan: Plan
) -> None:
    class Mail:
        def fetch(self, message: str) -> Arrival:
            assert message == "m1"
            return arrival

    said: list[str] = []
    log = RunLog(tmp_path)
    late = LateReplies(cast(Post, cast(Any, Mail())), log, said.append, plan.federation)
    late.expect("train", 25, {"north": Asked(ConnectedSite(1, "s"), "m1", 0, "")})
    said.clear()

    late.drop_arrived()

    assert [line["event"] for line in log.lines()] == ["late_reply"] * is_late
    assert len(said) == is_late
