"""Work of the console that cannot begin, or is stopped when it is over."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_client.console import records, waiting
from medfl_client.console.hands import Hands
from medfl_client.console.hospital import OWN, Study
from medfl_client.console.waiting import Plans
from medfl_client.console.work import Work
from medfl_client.egress import ledger
from medfl_common.errors import RunError
from medfl_sim.local.deployment import wait_until


@pytest.fixture
def hands() -> Iterator[Hands]:
    found = Hands()
    yield found
    found.close()


def test_a_plan_is_read_again_where_no_process_could_be_made(
    hospitals: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plan("hospitals/site-1/plan.yaml")
    monkeypatch.setattr(waiting, "AGAIN_S", 0.05)
    study, tries = Study(OWN, hospitals / "site-1"), list[Path]()

    def make(folder: Path) -> dict[str, object]:
        tries.append(folder)
        if len(tries) < 3:
            raise BlockingIOError("no more processes")
        return {"study": "small"}

    plans = Plans(make)

    def facts() -> object:
        seen = plans.of(study)
        return seen is not None and seen.facts

    wait_until(lambda: bool(facts()), 10, "the plan")
    assert len(tries) == 3


def test_work_that_is_over_ends_no_process_that_does_other_work(
    tmp_path: Path, hands: Hands
) -> None:
    first = Work("nothing of this name", tmp_path, "", {}, hands)
    with pytest.raises(RunError):
        first.wait()
    second = hands.take()
    assert second is first._process

    first.stop()

    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(1)
    hands.give_back(second)


def test_the_chains_are_held_once_a_minute_and_when_asked(
    hospitals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, chains = Study(OWN, hospitals / "site-1"), records.Chains()
    study.state.path.mkdir(exist_ok=True)
    ledger.append(study.state.ledger, {"kind": "train"})
    assert chains.of(study)[1]
    ledger.append(study.state.ledger, {"kind": "train"})
    study.state.ledger.write_bytes(study.state.ledger.read_bytes().replace(b"train", b"tests", 1))

    assert (chains.is_due(study), chains.of(study)[1]) == (False, True)
    monkeypatch.setattr(records, "CHECK_S", 0.0)
    assert (chains.is_due(study), chains.of(study)[1]) == (True, False)
    assert not chains.is_due(study)  # nothing changed
    chains.forget(study)
    assert chains.is_due(study)
