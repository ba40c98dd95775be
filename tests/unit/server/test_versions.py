"""What each site runs is known at the coordinator, and a mixture is told."""

import platform
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.conftest import MakePlan

from medfl_client.config.site_file import Policy
from medfl_client.egress.guard import release
from medfl_common import __version__
from medfl_common.errors import DisclosureError
from medfl_common.plan.plan import Plan
from medfl_common.wire.results import TrainResult, decode_result, plan_number
from medfl_common.wire.tasks import TrainTask
from medfl_common.wire.versions import mixture, named, own_versions
from medfl_server.doctor.study import check_site_versions
from medfl_server.rounds.outcome import Answered, Replies
from medfl_server.rounds.round_facts import facts_of_round
from medfl_server.rounds.version_watch import VersionWatch
from medfl_server.study.run_directory import create_study

OWN = own_versions()
OTHER = (*OWN[:3], 1, 2, 3, *OWN[6:])


def answered(*versions: tuple[int, ...] | None) -> Replies:
    replies = Replies()
    for number, told in enumerate(versions, start=1):
        result = TrainResult(1, 1, 1, versions=told)
        replies.answered[f"site-{number}"] = Answered(result, 1, 1, "ab")
    return replies


def test_a_reply_tells_the_versions_of_medfl_torch_and_python_and_nothing_else(plan: Plan) -> None:
    task = TrainTask("train", "cd" * 16, 1, 5, "site-1", plan, {})
    result = TrainResult(plan_number(plan), 1, 5, versions=OWN)

    content = release(result, task, Policy(), {})

    assert content.metric_records["numbers"]["versions"] == [*OWN]
    assert decode_result(content, {}, plan).versions == OWN
    assert named(OWN)["python"] == platform.python_version().rstrip("+")
    assert named(OWN)["torch"] == torch.__version__.partition("+")[0]
    assert __version__.startswith(named(OWN)["medfl"])
    for wrong in (OWN[:8], (*OWN[:8], 19_570_101), (*OWN[:8], -1)):
        with pytest.raises(DisclosureError):
            release(replace(result, versions=wrong), task, Policy(), {})


def test_a_mixture_is_told_once_for_each_change() -> None:
    said: list[str] = []
    watch = VersionWatch(said.append)

    for versions in ((OWN, OWN), (OWN, OTHER), (OWN, OTHER), (OWN, None), (OWN, OWN), (OTHER, OWN)):
        watch.note(answered(*versions))

    assert len(said) == 2
    assert "the versions differ: torch 1.2.3 (site-2), " in said[0]
    assert "(the coordinator, site-1)" in said[0]
    assert "1.2.3 (site-1)" in said[1]


def test_of_python_the_first_two_numbers_count() -> None:
    assert mixture({"a": {"python": "3.11.7"}, "b": {"python": "3.11.9"}}) == ""
    assert mixture({"a": {"python": "3.11.7"}, "b": {"python": "3.12.0"}}) == (
        "python 3.11 (a), 3.12 (b)"
    )


def test_the_log_and_doctor_say_what_each_hospital_runs(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    study = create_study(tmp_path / "study", make_plan())
    before = check_site_versions(study).state

    seen = []
    for versions in ((OWN, OWN), (OWN, OTHER)):
        facts = facts_of_round(1, answered(*versions)).facts
        study.log.write("round", sha256="ab", **facts)
        seen.append(check_site_versions(study))

    (last,) = study.log.lines("round")[1:]
    assert last["sites"]["site-2"]["versions"]["torch"] == "1.2.3"  # type: ignore[index, call-overload]
    assert (before, [finding.state for finding in seen]) == ("not checked", ["ok", "warn"])
    assert "site-2: medfl" in seen[1].seen
    assert "The versions differ: torch" in seen[1].seen
