"""The engines: the same weights from each, order, failing workers; and the sites of a round."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from flwr.app import Context, Message, RecordDict
from tests.conftest import MakePlan

from medfl_common.errors import RunError
from medfl_common.plan.plan import load_plan
from medfl_common.run.checkpoint import load_newest
from medfl_server.rounds.sampling import choose_sites
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.grid import be_a_task
from medfl_sim.engine.pool import AHEAD, Pool
from medfl_sim.engine.simulation import run_study


def run(folder: Path, plan_file: Path, hospitals: Path, engine: str) -> Study:
    study = create_study(folder, plan_file)
    sites = virtual_sites(hospitals, study.plan)
    run_study(study, sites, engine=engine, n_workers=2)
    return study


def final_digest(study: Study) -> object:
    (finished,) = study.log.lines("finished")
    return finished["sha256"]


@pytest.mark.parametrize("changes", [{}, {"model": {"norm": "batch", "norm_layers": "local"}}])
def test_worker_processes_give_the_same_weights(
    changes: dict[str, dict[str, object]], hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(**changes)

    alone = run(tmp_path / "alone", plan, hospitals, "inprocess")
    together = run(tmp_path / "together", plan, hospitals, "processes")

    assert final_digest(together) == final_digest(alone)


def test_ray_gives_the_same_weights(hospitals: Path, make_plan: MakePlan, tmp_path: Path) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'medfl[ray]'")
    alone = run(tmp_path / "alone", make_plan(), hospitals, "inprocess")
    command = [
        sys.executable, "-W", "ignore", "-c", "from medfl_sim.cli import main; main()", "run",
        str(make_plan()), "--data", str(hospitals), "--out", str(tmp_path / "ray"),
        "--engine", "ray", "--workers", "2",
    ]  # fmt: skip

    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    assert final_digest(open_study(tmp_path / "ray")) == final_digest(alone)


def test_a_killed_worker_is_an_error_that_loses_nothing(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = create_study(tmp_path / "s", make_plan())
    sites = virtual_sites(hospitals, study.plan)
    broken = {**sites, "site-2": replace(sites["site-2"], data=_killed)}

    with pytest.raises(RunError, match="ended with status -9"):
        run_study(study, broken, engine="processes", n_workers=2)

    run_study(study, sites, engine="processes", n_workers=2)
    assert final_digest(study) == final_digest(
        run(tmp_path / "whole", make_plan(), hospitals, "inprocess")
    )


def _killed(plan: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_end_with_a_killed_simulation(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 1000})  # as many as the sites' policy lets be
    arguments = [str(plan), "--data", str(hospitals), "--out", str(tmp_path / "s")]
    command = [sys.executable, "-c", "from medfl_sim.cli import main; main()", "run", *arguments]
    process = subprocess.Popen(
        [*command, "--engine", "processes", "--workers", "2"], stdout=subprocess.DEVNULL
    )
    try:
        _until(lambda: load_newest(tmp_path / "s" / "checkpoints")[0] is not None, 60)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        workers = [int(pid) for pid in children.read_text().split()]
    finally:
        process.kill()
        process.wait()

    assert len(workers) >= 2  # what decodes is there too
    _until(lambda: not any(_is_alive(pid) for pid in workers), 20)


def _is_alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def _until(condition: object, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_no_more_replies_wait_than_the_pool_may_hold() -> None:
    be_a_task()
    held, lock, most = 0, threading.Lock(), 0

    def work(message: Message, context: Context) -> Message:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return message

    pool = Pool([work, work], close=lambda: None)
    for number in range(100):
        context = Context(1, number, {}, RecordDict(), {})
        pool.push(str(number), Message(RecordDict(), number + 1, "train"), context)
    for number in range(100):
        pool.pull(str(number))
        time.sleep(0.001)
        with lock:
            held -= 1
    pool.close()

    assert most <= 2 * AHEAD + 1


def test_a_round_asks_the_sites_that_were_drawn_for_it(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan_file = make_plan(federation={"sites_per_round": 2, "rounds": 4})
    plan, names = load_plan(plan_file), ["site-1", "site-2", "site-3"]

    study = run(tmp_path / "s", plan_file, hospitals, "inprocess")

    asked = [set(event["sites"]) for event in study.log.lines("round")]  # type: ignore[arg-type]
    assert asked == [choose_sites(plan, names, round_) for round_ in (1, 2, 3, 4)]
    assert all(len(sites) == 2 for sites in asked)
    assert set().union(*asked) == set(names)
    assert set(study.log.lines("finished")[0]["sites"]) == set(names)  # type: ignore[arg-type]


def test_what_a_strategy_tells_and_short_messages_pass_every_engine(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(
        federation={
            "strategy": "scaffold", "messages": {"update": "top_k", "weights": "bfloat16"},
        }
    )  # fmt: skip
    found = []
    for engine in ("inprocess", "processes"):
        study = create_study(tmp_path / engine, plan)
        run_study(study, virtual_sites(hospitals, study.plan), engine=engine, n_workers=2)
        found.append(study.log.lines("finished")[0]["sha256"])
        sites = study.log.lines("round")[0]["sites"]
        n_bytes = [facts["bytes_received"] for facts in sites.values()]  # type: ignore[attr-defined]
        assert max(n_bytes) < 20_000  # most of it counts; 93,000 as they are
    assert found[0] == found[1]
