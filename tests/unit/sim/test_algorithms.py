"""Every algorithm by its name: studies that end, go on as if never stopped, and meet FedAvg."""

import shutil
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from statistics import mean

import pytest
import torch
import yaml
from tests.conftest import PLAN, ROOT, MakePlan

from medfl_common.errors import ConfigError
from medfl_common.models import build_model
from medfl_common.models.weights import Weights
from medfl_common.plan.algorithms import ALGORITHMS
from medfl_common.plan.plan import load_plan
from medfl_common.plan.settings import check
from medfl_common.run.checkpoint import load_newest
from medfl_common.wire.codecs import CODECS
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_sim.data.faults import Fault
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import Scenario, read_faults
from medfl_sim.engine.simulation import run_study

# fedadam's and fedadagrad's moments are kept as fedyogi's.
STATEFUL = ["fedavgm", "scaffold", "ditto", "fedper"]
ALIKE = ["fedyogi", "feddyn", "moon", "fedrep"]  # they keep theirs as those do
SLOW = pytest.mark.slow


def run(
    folder: Path, plan: Path, hospitals: Path, rounds: int | None = None,
    faults: Sequence[Fault] = (),
) -> Study:  # fmt: skip
    """Make a study, or go on with it; stop it after so many rounds."""
    study = open_study(folder) if (folder / "study.json").exists() else create_study(folder, plan)
    made = 0

    def follow(progress: object) -> None:
        nonlocal made
        made = getattr(progress, "round", 0)
        if rounds is not None and made >= rounds:
            raise KeyboardInterrupt

    try:
        run_study(study, virtual_sites(hospitals, study.plan), follow=follow, faults=faults)
    except KeyboardInterrupt:
        assert rounds is not None
    return study


def final(study: Study) -> Weights:
    checkpoint, _ = load_newest(study.checkpoints)
    assert checkpoint is not None
    return checkpoint.weights


def sha256(study: Study) -> object:
    return study.log.lines("finished")[0]["sha256"]


@pytest.mark.parametrize("strategy", [*STATEFUL, *(pytest.param(s, marks=SLOW) for s in ALIKE)])
def test_stopped_and_gone_on_with_is_as_if_never_stopped(
    strategy: str, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(
        federation={"strategy": strategy, "rounds": 4, "min_sites": 2, "sites_per_round": 2},
        training={"epochs": 2},
    )
    run(tmp_path / "stopped", plan, hospitals, rounds=2)
    stopped = run(tmp_path / "stopped", plan, hospitals)

    whole = run(tmp_path / "whole", plan, hospitals)

    assert len(stopped.log.lines("resumed")) == 1
    # Nonces differ from run to run, weights do not.
    assert sha256(stopped) == sha256(whole)
    kept = [sorted((s.folder / "local").rglob("*.safetensors")) for s in (stopped, whole)]
    assert [p.read_bytes() for p in kept[0]] == [p.read_bytes() for p in kept[1]]


@pytest.fixture(scope="module")
def fedavg_after(
    hospitals_master: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], Weights]:
    """FedAvg's weights after so many rounds."""

    @cache
    def after(rounds: int) -> Weights:
        folder = tmp_path_factory.mktemp("fedavg")
        hospitals = Path(shutil.copytree(hospitals_master, folder / "hospitals"))
        values = yaml.safe_load(PLAN)
        values["federation"]["rounds"], values["evaluation"]["validation"] = rounds, 0
        (folder / "plan.yaml").write_text(yaml.safe_dump(values))
        return final(run(folder / "study", folder / "plan.yaml", hospitals))

    return after


@pytest.mark.parametrize(
    ("federation", "rounds", "closeness"),
    [
        ({"strategy": "fedprox", "options": {"fedprox_mu": 0}}, 2, 0.0),
        ({"strategy": "fedavgm", "options": {"server_momentum": 0}}, 2, 0.0),
        ({"strategy": "ditto"}, 2, 0.0),  # what leaves is FedAvg's
        ({"strategy": "moon", "options": {"moon_mu": 0}}, 2, 0.0),
        ({"strategy": "fedbuff", "options": {"fedbuff_size": 3}}, 2, 0.0),  # all are as fast
        ({"strategy": "scaffold"}, 1, 0.0),  # its variates are 0 in the first round
        ({"strategy": "fednova"}, 1, 1e-6),  # the sites make as many steps each
        ({"strategy": "qfedavg", "options": {"q": 0}}, 1, 1e-6),  # and have as many images
        ({"strategy": "trimmed_mean", "trim": 0, "bad_sites": 0}, 1, 1e-6),  # here too
        ({"strategy": "bulyan", "bad_sites": 0}, 1, 1e-6),
    ],
    ids=str,
)
def test_at_its_limit_it_is_fedavg(
    federation: dict[str, object], rounds: int, closeness: float,
    hospitals: Path, make_plan: MakePlan, tmp_path: Path, fedavg_after: Callable[[int], Weights],
) -> None:  # fmt: skip
    plan = make_plan(federation={"rounds": rounds, **federation}, evaluation={"validation": 0})
    found = final(run(tmp_path / "study", plan, hospitals))

    for name, tensor in fedavg_after(rounds).items():
        torch.testing.assert_close(found[name], tensor, rtol=closeness, atol=closeness)


def test_fedbuff_waits_for_no_slow_site_and_counts_its_update_less(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    options = {"fedbuff_size": 2}
    plan = make_plan(federation={"strategy": "fedbuff", "options": options, "rounds": 6})
    slow_one = {"faults": [{"kind": "straggler", "sites": ["site-3"], "time_s": [2.5, 2.5]}]}
    slow = read_faults(check(Scenario, slow_one, "the test"))

    whole = run(tmp_path / "whole", plan, hospitals, faults=slow)
    run(tmp_path / "stopped", plan, hospitals, rounds=3, faults=slow)
    stopped = run(tmp_path / "stopped", plan, hospitals, faults=slow)

    who = [[*event["sites"]] for event in whole.log.lines("round")]  # type: ignore[misc]
    # Seconds 1, 2, 3; at 3.5 site-3 and at 4 site-1; then site-2, done at 4 too, and so on.
    fast, with_slow = ["site-1", "site-2"], ["site-1", "site-3"]
    assert who == [fast, fast, fast, with_slow, fast, fast]
    late = whole.log.lines("round")[3]["sites"]["site-3"]  # type: ignore[index,call-overload]
    assert late["for_round"] == 1
    assert whole.log.lines("finished")[0]["round"] == 6  # not one that some sites scored higher
    assert sha256(stopped) == sha256(whole)


@pytest.mark.parametrize(
    "federation",
    [
        pytest.param({"strategy": "fednova"}, marks=SLOW),
        {"strategy": "cyclic"}, {"strategy": "fedbn"},
        # A q of 1 moves the model by a fiftieth of an average update: 4 rounds say nothing.
        pytest.param({"strategy": "qfedavg", "options": {"q": 0.01}}, marks=SLOW),
        *(
            pytest.param({"messages": {"update": form, "weights": "bfloat16"}}, marks=SLOW)
            for form in ("top_k", "int8")
        ),
    ],
    ids=str,
)  # fmt: skip
def test_it_learns_and_a_stop_changes_nothing(
    federation: dict[str, object], hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(
        federation={**federation, "rounds": 4}, training={"epochs": 4},
        model={"name": "small_cnn", "norm": "batch"},
    )  # fmt: skip
    whole = run(tmp_path / "whole", plan, hospitals)
    run(tmp_path / "stopped", plan, hospitals, rounds=1)
    stopped = run(tmp_path / "stopped", plan, hospitals)

    losses = [
        [site["train_loss"] for site in event["sites"].values()]  # type: ignore[union-attr]
        for event in whole.log.lines("round")
    ]
    assert mean(losses[-1]) < mean(losses[0])
    assert sha256(stopped) == sha256(whole)


def test_the_guide_names_every_algorithm_and_message_format() -> None:
    guide = (ROOT / "docs" / "explanation" / "algorithms.md").read_text()
    for name in [*ALGORITHMS.names(), *CODECS.names()]:
        assert f"`{name}`" in guide


@pytest.mark.parametrize(
    ("sections", "stays"),
    [
        ({"federation": {"strategy": "fedper"}}, "head."),
        ({"federation": {"strategy": "fedbn"}}, "norm"),
        ({"federation": {"strategy": "fedbn"}, "training": {"objective": "fedprox"}}, "norm"),
        ({"federation": {"strategy": "median"}, "training": {"objective": "fedper"}}, "head."),
    ],
)
def test_own_layers_are_in_no_message(
    sections: dict[str, dict[str, object]], stays: str, make_plan: MakePlan
) -> None:
    model = build_model(
        load_plan(make_plan(model={"name": "densenet121"}, images={"size": 32}, **sections))
    )
    shared, local = (model.names(part) for part in ("shared", "local"))  # type: ignore[arg-type]
    assert local
    assert all(stays in name for name in local)
    assert not [name for name in shared if stays in name]


def test_an_algorithm_that_does_not_go_with_the_rest_of_the_plan_says_why(
    make_plan: MakePlan,
) -> None:
    for sections, why in (
        (
            {"federation": {"strategy": "scaffold"}, "training": {"optimizer": "adam"}},
            "needs train",
        ),
        ({"federation": {"strategy": "moon"}, "model": {"freeze": "all"}}, "trained backbone"),
        ({"federation": {"strategy": "fedper"}, "model": {"freeze": "all"}}, "only the head"),
        (
            {"federation": {"strategy": "median"}, "training": {"objective": "scaffold"}},
            "belong together",
        ),
        ({"federation": {"strategy": "fedrep"}}, "more training.epochs"),
        ({"federation": {"strategy": "trimmed_mean", "trim": 0}}, "withstands no bad"),
        ({"federation": {"strategy": "fedbuff"}, "evaluation": {"early_stop": 2}}, "early_stop"),
        ({"federation": {"strategy": "cyclic", "sites_per_round": 2}}, "whom it asks"),
    ):
        with pytest.raises(ConfigError, match=why) as caught:
            load_plan(make_plan(**sections))  # type: ignore[arg-type]
        assert "{" not in str(caught.value)  # not the whole plan
