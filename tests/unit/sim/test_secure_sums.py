"""A study in secure sums, simulated by the code of a real one: the plain study's model, rounded."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from tests.conftest import MakePlan

from medfl_common.models.weights import Weights
from medfl_common.run.checkpoint import find_round, load_newest
from medfl_common.run.events import Finished, RoundMade
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.report import write_report
from medfl_server.reports.scores import ALL, score_sites
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study

SUMS = {"secure_sum": {"most_images": 40}}


def plans(make_plan: MakePlan, **federation: object) -> tuple[Path, Path]:
    """Give the same study plain and in sums."""
    sections = {
        "federation": {"rounds": 2, "keep_every": 1, **federation},
        "evaluation": {"keep": "last", "validation": 0.4},
    }
    return make_plan("plain.yaml", **sections), make_plan("sums.yaml", privacy=SUMS, **sections)


def simulate(folder: Path, plan: Path, hospitals: Path, engine: str = "inprocess") -> Study:
    study = create_study(folder, plan)
    run_study(study, virtual_sites(hospitals, study.plan), engine=engine, n_workers=2)
    return study


def after(study: Study, round_: int) -> Weights:
    path = find_round(study.checkpoints, round_)
    assert path is not None
    return load(path.read_bytes())


def test_a_study_in_sums_is_the_plain_one_within_the_rounding_and_has_no_scores_by_hospital(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plain_plan, sums_plan = plans(make_plan)
    plain = simulate(tmp_path / "plain", plain_plan, hospitals)
    sums = simulate(tmp_path / "sums", sums_plan, hospitals)

    for name, tensor in after(plain, 1).items():
        off = (after(sums, 1)[name].double() - tensor.double()).abs().max()
        assert off < 1e-8 + 2.0**-23 * float(tensor.abs().max())  # two roundings of float32
    made, plainly = sums.log.read(RoundMade)[0], plain.log.read(RoundMade)[0]
    assert made.pooled is not None
    assert made.pooled.n_images == sum(reply.n_images for reply in plainly.sites.values())
    assert sum(made.pooled.norms) == 3
    told = [score_sites(event)[ALL] for event in (made, plainly)]
    assert told[0].values == told[1].values
    assert told[0].n == told[1].n
    for event in [*sums.log.read(RoundMade), *sums.log.read(Finished)]:
        for reply in event.sites.values():
            assert not {"tally", "norm", "cosine", "n_images", "train_loss"} & set(reply.facts)

    report, card = write_report(sums).read_text(), write_model_card(sums)
    assert "reads sums of hospitals" in report
    assert "AUC" in report
    assert card is not None
    assert "sum of the sites" in card.read_text()


def test_keys_order_and_engine_change_no_bit(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    _, plan = plans(make_plan)
    first = simulate(tmp_path / "first", plan, hospitals)  # each run has keys of its own
    other = simulate(tmp_path / "other", plan, hospitals, engine="processes")

    assert first.run != other.run
    assert [e.sha256 for e in first.log.read(RoundMade)] == [
        e.sha256 for e in other.log.read(RoundMade)
    ]


@pytest.mark.parametrize("strategy", ["fedadam", "fedavgm"])
def test_a_server_optimiser_takes_the_mean(
    strategy: str, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plain_plan, sums_plan = plans(make_plan, strategy=strategy, rounds=1)
    plain = simulate(tmp_path / "plain", plain_plan, hospitals)
    sums = simulate(tmp_path / "sums", sums_plan, hospitals)

    for name, tensor in after(plain, 1).items():
        assert torch.allclose(after(sums, 1)[name], tensor, atol=1e-4)


def test_a_simulation_that_stopped_goes_on_to_the_same_bits(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    _, plan = plans(make_plan)
    whole = simulate(tmp_path / "whole", plan, hospitals)
    study = create_study(tmp_path / "stopped", plan)

    def stop(progress: object) -> None:
        if getattr(progress, "round", 0) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(study, virtual_sites(hospitals, study.plan), follow=stop)
    shutil.rmtree(study.files.local, ignore_errors=True)  # the hospitals have new keys
    run_study(study, virtual_sites(hospitals, study.plan))

    newest, expected = (load_newest(one.checkpoints)[0] for one in (study, whole))
    assert newest is not None
    assert expected is not None
    assert all((newest.weights[n] == t).all() for n, t in expected.weights.items())
