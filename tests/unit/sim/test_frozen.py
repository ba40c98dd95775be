"""Rounds that move only what is trained, and layers that stay at their site."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import MakePlan

from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.training.frozen_features import FeatureSet
from medfl_client.training.objectives.plain import Plain
from medfl_client.training.train import train
from medfl_common.errors import NoStartError
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import load_plan
from medfl_common.run.checkpoint import load_newest
from medfl_common.run.events import Asked, Finished, RoundMade
from medfl_common.wire.tasks import TrainTask, encode_task
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study

HEAD_BYTES = 4 * (128 + 1)


def run(folder: Path, plan_file: Path, hospitals: Path) -> Study:
    study = create_study(folder, plan_file)
    run_study(study, virtual_sites(hospitals, study.plan))
    return study


def test_with_a_frozen_backbone_a_round_is_the_head(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(model={"freeze": "all"}, training={"epochs": 3, "feature_copies": 2,
                     "augmentation": {"shift": 0.1}})  # fmt: skip
    study = run(tmp_path / "s", plan, hospitals)

    first, second, _ = study.log.lines("round")
    start, final = (load_file(study.folder / f"{n}.safetensors") for n in ("start", "model"))
    whole = sum(4 * tensor.numel() for tensor in start.values())
    for site in ("site-1", "site-2", "site-3"):
        assert first["sites"][site]["bytes_sent"] > whole
        assert HEAD_BYTES < second["sites"][site]["bytes_sent"] < HEAD_BYTES + 6000  # and the plan
        assert second["sites"][site]["bytes_received"] < HEAD_BYTES + 6000
    moved = {name for name, tensor in final.items() if not torch.equal(tensor, start[name])}
    assert moved == {"head.1.weight", "head.1.bias"}


def test_features_train_the_head_as_the_pictures_do(hospitals: Path, make_plan: MakePlan) -> None:
    plan = load_plan(
        make_plan(model={"freeze": "all"}, training={"epochs": 2, "precision": "float32"})
    )
    site = virtual_sites(hospitals / "site-1", plan)["site-1"]
    task = TrainTask("train", "0" * 32, 1, 0, "site-1", plan, {})
    session = Session()
    model = session.model_for(plan, site.device)
    inputs = session.inputs_for(task, site, model)
    other = build_model(plan)

    train(model.head, inputs.train, plan, 1, "site-1", Plain(), site.device)
    train(other, site.data(plan).train, plan, 1, "site-1", Plain(), site.device)

    assert isinstance(inputs.train, FeatureSet)
    for name, tensor in shared_weights(model).items():
        torch.testing.assert_close(tensor, shared_weights(other)[name], atol=1e-5, rtol=1e-4)


def test_a_site_without_the_initial_weights_asks_for_them(
    hospitals: Path, make_plan: MakePlan
) -> None:
    plan = load_plan(make_plan(model={"freeze": "all"}))
    site = virtual_sites(hospitals / "site-1", plan)["site-1"]
    model = build_model(plan)
    task = TrainTask("train", "0" * 32, 2, 0, "site-1", plan, shared_weights(model))
    session = Session()

    refused = handle_task(encode_task(task), site, session, print)
    given = replace(task, start=shared_weights(model, "start"))
    done = handle_task(encode_task(given), site, session, print)

    assert refused.metric_records["numbers"]["code"] == NoStartError.code
    assert done.metric_records["numbers"]["code"] == 0


def test_norm_layers_stay_at_their_site_and_a_stopped_study_goes_on_with_them(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(model={"norm": "batch", "norm_layers": "local"})
    whole = run(tmp_path / "whole", plan, hospitals)
    broken = create_study(tmp_path / "broken", plan)
    sites = virtual_sites(hospitals, broken.plan)

    def stop(line: str) -> None:
        if line.startswith("round 2 of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(broken, sites, stop)
    run_study(broken, sites)

    checkpoint, _ = load_newest(whole.checkpoints)
    assert checkpoint is not None
    assert "backbone.0.weight" in checkpoint.weights
    assert not any(name.startswith("backbone.1.") for name in checkpoint.weights)
    layers = [
        load_file(whole.folder / "local" / site / whole.run / "round-0003.safetensors")
        for site in ("site-1", "site-2")
    ]
    assert set(layers[0]) >= {"backbone.1.running_mean", "backbone.1.weight"}
    assert not torch.equal(
        layers[0]["backbone.1.running_mean"], layers[1]["backbone.1.running_mean"]
    )
    assert broken.log.lines("finished")[0]["sha256"] == whole.log.lines("finished")[0]["sha256"]


def test_the_best_round_is_kept_and_the_study_stops_when_patience_is_spent(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    judged = {"metric": "loss", "early_stop": 2}
    # Steps so large that no later round is better than the first ones.
    plan = make_plan(training={"lr": 0.3}, federation={"rounds": 9}, evaluation=judged)
    study = run(tmp_path / "s", plan, hospitals)

    rounds, (finished,) = study.log.read(RoundMade), study.log.read(Finished)
    losses = [_loss(event) for event in rounds]
    assert len(rounds) < 9
    assert finished.best is not None
    assert finished.best.round == finished.round == losses.index(min(losses))
    assert _loss(finished) == pytest.approx(min(losses))
    assert finished.last == len(rounds) == finished.round + 3


def _loss(event: Asked) -> float:
    score_counts = [reply.facts["tally"] for reply in event.sites.values()]
    loss: float = sum(t["loss"] * t["n"] for t in score_counts)
    return loss / sum(t["n"] for t in score_counts)
