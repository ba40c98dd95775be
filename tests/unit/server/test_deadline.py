"""A deadline of `auto` follows the sites' own times, as the run log has them."""

from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.server.slow_post import SlowPost, says

from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.events import Event, LateReply, RoundMade, event_of
from medfl_server.study import deadline
from medfl_server.study.deadline import SeenTimes, advice, following


def made(round_: int, **waited: float) -> Event:
    sites = {site: {"waited": seconds, "seconds": 1.0} for site, seconds in waited.items()}
    return event_of({"event": "round", "round": round_, "sites": sites, "missing": {}})


EMPTY = event_of({"event": "round_without_quorum", "round": 2, "sites": {}, "missing": {}})
LATE = LateReply.of("west", 1, 50.0)
WITH_LATE = [made(1, north=20.0), LateReply({**LATE.facts, "event": "late_reply"})]


@pytest.mark.parametrize(
    ("events", "seconds"),
    [
        ([], 3600.0),  # nothing is known
        ([made(1, north=20.0, west=8.0)], 30.0),
        ([made(1, north=2.0)], 10.0),  # never less
        (WITH_LATE, 75.0),
        ([*WITH_LATE, EMPTY, EMPTY], 300.0),
        ([*WITH_LATE, EMPTY, made(2, north=4.0)], 75.0),
        ([*WITH_LATE, *(made(r, west=4.0) for r in range(2, 7))], 30.0),  # five rounds later
        ([made(1, north=20.0, gone=500.0)], 30.0),  # is on the roster no more
        ([made(1, north=80_000.0)], 86_400.0),
    ],
)
def test_the_deadline_follows_from_the_log(events: list[Event], seconds: float) -> None:
    assert SeenTimes(events).deadline_s({"north", "west"}) == seconds


def test_the_advice_is_half_as_much_again_where_a_deadline_is_fixed(plan: Plan) -> None:
    fixed = plan.federation.model_copy(update={"deadline_s": 10.0})

    assert advice(fixed, "north", 49.2) == (
        "north needs 50 s, the deadline is 10 s; set federation.deadline_s to at least 75"
    )
    assert advice(fixed, "north", 10.0) == ""
    assert advice(fixed.model_copy(update={"deadline_s": "auto"}), "north", 50.0) == ""
    assert advice(fixed.model_copy(update={"strategy": "fedbuff"}), "north", 50.0) == ""


def test_a_site_that_needs_five_times_the_deadline_contributes_once_its_time_is_known(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "FIRST_S", 1.0)  # so the first round is too short
    monkeypatch.setattr(deadline, "LEAST_S", 1.0)
    post = SlowPost({"north": 0.0, "south": 0.0, "west": 5.0}, until=says("round 3 of"))
    federation = {"rounds": 1000, "min_sites": 2, "deadline_s": "auto"}
    plan = make_plan(federation=federation, evaluation={"validation": 0, "test": 0})

    study = post.run(tmp_path / "study", plan, stop=says("west answered after"))

    first, *others, last = study.log.read(RoundMade)
    assert first.missing == {"west": "no reply before the deadline"}
    assert {event.missing["west"] for event in others} == {"still at work on round 1"}
    assert [event.facts["round"] for event in study.log.read(LateReply)] == [1]
    assert "west" in last.sites
    waits = [line for line in post.said if line.startswith("federation.deadline_s auto")]
    assert waits[0].endswith("a round waits 1 s")
    assert len(waits) == 2


def test_a_quorum_that_needs_the_slow_site_gets_it_by_waiting_twice_as_long(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "FIRST_S", 1.0)
    plan = make_plan(
        federation={"rounds": 1, "deadline_s": "auto"}, evaluation={"validation": 0, "test": 0}
    )

    study = SlowPost({"north": 0.0, "west": 5.0}).run(tmp_path / "study", plan)

    (round_,) = study.log.read(RoundMade)  # 1 + 2 + 4 s; the third empty round would be a pause
    assert [*round_.sites] == ["north", "west"]


def test_auto_changes_no_hash_of_a_plan_with_seconds(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan())

    assert '"deadline_s":60.0' in plan.canonical()
    assert following([], 0) == 3600.0
    auto = load_plan(make_plan(federation={"deadline_s": "auto"}))
    assert '"deadline_s":"auto"' in auto.canonical()
