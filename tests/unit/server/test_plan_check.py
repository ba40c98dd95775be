"""What a plan names that there is not, or sets that nothing reads, is refused before all else."""

from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.plan.plan import load_plan, plan_from_json
from medfl_server.study.run_directory import create_study
from medfl_sim.runs.job import Job, do

Sections = dict[str, dict[str, object]]
FAULTS: list[tuple[Sections, str]] = [
    ({"federation": {"strategy": "fedavgg"}}, "unknown strategy 'fedavgg'; known: .*fedavg, "),
    ({"training": {"objective": "fedpro"}}, "unknown objective 'fedpro'; known: .*fedprox, "),
    ({"model": {"name": "resnet19"}}, "unknown model 'resnet19'; known: .*resnet18, "),
    (
        {"federation": {"messages": {"update": "int9"}}},
        "unknown message format 'int9'; known: bfloat16, float16, float32, int8, top_k",
    ),
    (
        {"federation": {"options": {"fedprox_mu": 1}}},
        "options.fedprox_mu is an option of fedprox; fedavg has none",
    ),
    (
        {"federation": {"strategy": "scaffold", "options": {"server_lr": 0.5, "tau": 1}}},
        "options.tau is an option of fedadagrad, fedadam, fedyogi; scaffold has server_lr",
    ),
    ({"federation": {"bad_sites": 2}}, "bad_sites is a setting of bulyan, krum, .*, not of fedavg"),
    ({"federation": {"bad_sites": 1}}, "bad_sites is a setting of"),  # the default, but written
    ({"federation": {"options": {"q": 1.0}}}, "options.q is an option of qfedavg"),
    (
        {"federation": {"messages": {"update": "int8", "top": 0.01}}},
        "messages.top is a setting of update: top_k, not of int8",
    ),
    ({"federation": {"strategy": "krum", "trim": 0.1}}, "trim is a setting of trimmed_mean, not"),
    (
        {"federation": {"messages": {"update": "int8", "top": 0.1}}},
        "messages.top is a setting of update: top_k, not of int8",
    ),
]


@pytest.mark.parametrize(("sections", "message"), FAULTS, ids=lambda part: str(part)[:40])
def test_init_and_a_simulation_refuse_it_and_say_what_there_is(
    sections: Sections, message: str, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(**sections)

    with pytest.raises(ConfigError, match=message):
        create_study(tmp_path / "study", plan)
    with pytest.raises(ConfigError, match=message):  # of the plan, not of the missing data
        do(Job(plan, tmp_path / "no-data"), tmp_path / "run")

    assert not (tmp_path / "study").exists()
    assert not (tmp_path / "run").exists()


def test_all_faults_are_told_at_once(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(model={"name": "resnet19"}, federation={"trim": 0.1, "options": {"q": 2}})

    with pytest.raises(ConfigError, match="has 3 faults"):
        create_study(tmp_path / "study", plan)


@pytest.mark.parametrize(
    "sections",
    [
        {"federation": {"strategy": "median", "bad_sites": 0}, "training": {"objective": "moon"}},
        {"federation": {"options": {"moon_mu": 2}}, "training": {"objective": "moon"}},
        {"federation": {"messages": {"update": "top_k", "top": 0.1}}},
    ],
    ids=str,
)
def test_what_is_read_may_be_set(sections: Sections, make_plan: MakePlan, tmp_path: Path) -> None:
    create_study(tmp_path / "study", make_plan(**sections))


def test_a_canonical_plan_which_sets_everything_is_read(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan())

    assert plan_from_json(plan.canonical()) == plan
