"""Faults on order: what is away, late, wrong, scaled; and what admission and rules make of it."""

import math
from pathlib import Path

import pytest
import torch
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.models.weights import Weights, norm
from medfl_common.plan.plan import load_plan
from medfl_common.plan.settings import check
from medfl_common.run.checkpoint import load_newest
from medfl_server.study.initial_weights import initial_weights
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.data.faults import Delay
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import Scenario, partitioned, read_faults
from medfl_sim.engine.fault_injection import times_of_round
from medfl_sim.engine.simulation import run_study


def scenario(*faults: dict[str, object], n_sites: int = 5) -> Scenario:
    partitioned_sites = partitioned("iid", n_sites).partition
    return check(Scenario, {"partition": partitioned_sites, "faults": [*faults]}, "the test")  # type: ignore[dict-item]


def run(
    folder: Path, plan: Path, hospitals: Path, chosen: Scenario, engine: str = "inprocess"
) -> Study:
    study = create_study(folder, plan)
    sites = virtual_sites(hospitals, study.plan, chosen)
    run_study(study, sites, engine=engine, n_workers=2, faults=read_faults(chosen))
    return study


def step_of(study: Study) -> Weights:
    """How far the last round's weights are from the start."""
    checkpoint, _ = load_newest(study.checkpoints)
    _, start = initial_weights(study)
    assert checkpoint is not None
    return {name: tensor - start[name] for name, tensor in checkpoint.weights.items()}


def test_sites_that_are_away_are_missed_by_the_log_and_the_study_ends_in_every_engine_alike(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 4, "min_sites": 2})
    away = scenario({"kind": "dropout", "probability": 0.5})

    studies = [run(tmp_path / e, plan, hospitals, away, e) for e in ("inprocess", "processes")]

    rounds = studies[0].log.lines("round")
    present = [[*event["sites"]] for event in rounds]
    assert len(rounds) == 4
    assert all(2 <= len(sites) <= 5 for sites in present)
    assert len({tuple(sites) for sites in present}) > 1
    assert all(site["seconds"] > 0 for event in rounds for site in event["sites"].values())
    for event in rounds:
        assert len(event["sites"]) + len(event["missing"]) == 5
        assert set(event["missing"].values()) <= {
            m for m in event["missing"].values() if "the scenario kept it away" in m
        }
    hashes = [study.log.lines("finished")[0]["sha256"] for study in studies]
    assert hashes[0] == hashes[1]


def test_who_is_away_follows_the_deadline_and_never_breaks_the_quorum(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(federation={"min_sites": 3, "deadline_s": 60}))
    roster = [f"s{i}" for i in range(8)]
    slow = {"kind": "straggler", "time_s": [30, 90]}
    dead = {"kind": "dropout", "probability": 1.0, "sites": ["s0", "s1"]}
    late = {**slow, "time_s": [70, 90]}
    always, both, gone = (
        fault for fault in read_faults(scenario(late, slow, dead)) if isinstance(fault, Delay)
    )

    for round_ in range(1, 6):
        times = times_of_round([(always, roster)], plan, roster, round_)
        assert sum(map(math.isinf, times.values())) == 5  # all are late; three come all the same
        times = times_of_round([(both, roster), (gone, roster[:2])], plan, roster, round_)
        assert all(30 <= t <= 60 or t in (0, math.inf) for t in times.values())
        assert times == times_of_round([(both, roster), (gone, roster[:2])], plan, roster, round_)


def test_a_straggler_of_five_deadlines_counts_for_fedbuff_and_where_the_deadline_follows(
    make_plan: MakePlan,
) -> None:
    roster = ["s0", "s1", "s2"]
    slow = {"kind": "straggler", "time_s": [50, 50], "sites": ["s0"]}
    faults = [(f, ["s0"]) for f in read_faults(scenario(slow, n_sites=3)) if isinstance(f, Delay)]

    def seconds(round_: int, **federation: object) -> float:
        plan = load_plan(make_plan(federation={"min_sites": 2, **federation}))
        return times_of_round(faults, plan, roster, round_)["s0"]

    assert seconds(1, deadline_s=10) == math.inf
    assert seconds(1, deadline_s=10, strategy="fedbuff") == 50
    assert [seconds(round_, deadline_s="auto") for round_ in (1, 2, 9)] == [50, 50, 50]


def test_a_deadline_that_follows_is_an_hour_at_first_and_then_long_enough(
    make_plan: MakePlan,
) -> None:
    plan = load_plan(make_plan(federation={"min_sites": 2, "deadline_s": "auto"}))
    roster = [f"s{i}" for i in range(20)]
    slow = scenario({"kind": "straggler", "time_s": [0, 8_000]}, n_sites=20)
    faults = [(f, roster) for f in read_faults(slow) if isinstance(f, Delay)]

    first, *later = (times_of_round(faults, plan, roster, round_) for round_ in range(1, 5))

    assert any(map(math.isinf, first.values()))  # an hour
    assert all(t < 3600 or t == math.inf for t in first.values())
    assert not any(math.isinf(t) for times in later for t in times.values())


@pytest.mark.parametrize(
    ("fault", "factor"), [({"kind": "scaled", "factor": 3.0}, 3.0), ({"kind": "sign_flip"}, -1.0)]
)
def test_a_corrupted_update_is_the_honest_one_times_a_factor(
    fault: dict[str, object], factor: float, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    """One site: the global model's step is its update."""
    plan = make_plan(federation={"rounds": 1})
    steps = [
        step_of(run(tmp_path / name, plan, hospitals, scenario(*faults, n_sites=1)))
        for name, faults in (("honest", []), ("spoiled", [fault]))
    ]

    for name, step in steps[0].items():
        assert torch.allclose(steps[1][name], factor * step, atol=1e-6), name
    assert max(float(step.abs().max()) for step in steps[0].values()) > 1e-4


def test_a_huge_update_is_quarantined_and_the_median_withstands_a_flipped_one(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 2, "min_sites": 3})
    huge = scenario({"kind": "scaled", "factor": 1.0e9})
    study = run(tmp_path / "huge", plan, hospitals, huge)
    for event in study.log.lines("round"):
        assert "quarantined" in event["missing"]["site-1"]


def test_the_median_stays_nearer_to_what_honest_sites_learn_than_the_mean(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    flip, moved = {"kind": "sign_flip", "factor": 20.0}, {}
    for rule in ("fedavg", "median"):
        plan = make_plan(federation={"rounds": 1, "min_sites": 3, "strategy": rule})
        honest = run(tmp_path / f"{rule}-honest", plan, hospitals, scenario())
        flipped = run(tmp_path / f"{rule}-flipped", plan, hospitals, scenario(flip))
        steps = [step_of(honest), step_of(flipped)]
        moved[rule] = norm({name: steps[1][name] - step for name, step in steps[0].items()})
    assert moved["median"] < 0.25 * moved["fedavg"]


def test_labels_are_wrong_as_often_as_asked_and_held_out_images_keep_theirs(
    hospitals: Path, make_plan: MakePlan
) -> None:
    plan = load_plan(make_plan())
    noisy = scenario({"kind": "label_noise", "probability": 0.3, "sites": 2}, n_sites=3)
    plain, wrong = (virtual_sites(hospitals, plan, s) for s in (scenario(n_sites=3), noisy))

    shares = {}
    for name in plain:
        one, other = plain[name].data(plan), wrong[name].data(plan)
        shares[name] = float((one.train.targets != other.train.targets).float().mean())
        assert (one.validation.targets == other.validation.targets).all()
    assert shares["site-3"] == 0
    assert 0.1 < shares["site-1"] < 0.6
    assert 0.1 < shares["site-2"] < 0.6
    with pytest.raises(ConfigError, match="names the unknown site 'site-9'"):
        virtual_sites(
            hospitals,
            plan,
            scenario({"kind": "label_noise", "probability": 0.1, "sites": ["site-9"]}),
        )
    with pytest.raises(ConfigError, match="unknown fault 'earthquake'; known: dropout, gaussian"):
        scenario({"kind": "earthquake"})
