"""The interface for notebooks, and the programs that show a run's log."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from tests.conftest import PLAN, MakePlan

from medfl_common.errors import ConfigError, RunError
from medfl_common.run.events import RoundMade
from medfl_server.reports.scores import ALL
from medfl_sim import Run, open_run, simulate
from medfl_sim.runs.directories import CHOICE
from medfl_sim.runs.frame import lines_of
from medfl_sim.runs.job import Job, do
from medfl_sim.runs.sinks import figures_of
from medfl_sim.runs.sinks.tensorboard import FOLDER


def test_a_run_tells_what_its_log_and_files_hold(hospitals: Path, tmp_path: Path) -> None:
    said: list[str] = []
    run = simulate(yaml.safe_load(PLAN), hospitals, out=tmp_path / "r", say=said.append)

    assert open_run(tmp_path / "r") == run
    assert {*run.scores} == {"site-1", "site-2", "site-3", "all sites"}
    rounds, areas = run.curve("auc")
    assert rounds == [0, 1, 2, 3]
    kept = run.study.log.lines("finished")[0]["round"]
    assert areas[rounds.index(float(str(kept)))] == run.scores["all sites"]["auc"]
    assert [row.name for row in run.comparison] == ["site-1", "site-2", "site-3", "all hospitals"]
    assert not run.model().training
    assert "<td>" in run._repr_html_()
    assert any("partition.html" in line for line in said)
    _lines_are_those_of_the_log(run)
    with pytest.raises(RunError, match="is for several studies, and this is asked of one"):
        open_run(tmp_path)
    with pytest.raises(RunError, match="has another plan than"):
        simulate({**yaml.safe_load(PLAN), "seed": 4}, hospitals, out=tmp_path / "r")
    with pytest.raises(ConfigError, match="setting of a partition"):
        simulate(yaml.safe_load(PLAN), hospitals, sites=3, out=tmp_path / "other")


def _lines_are_those_of_the_log(run: Run) -> None:
    lines = lines_of(run.study)
    everywhere = [x for x in lines if (x.site, x.metric, x.part) == (ALL, "auc", CHOICE)]
    assert ([x.round for x in everywhere], [x.value for x in everywhere]) == run.curve("auc")
    (first, *_) = run.study.log.read(RoundMade)
    (loss,) = [x for x in lines if (x.round, x.site, x.metric) == (1, "site-2", "train_loss")]
    assert (loss.value, loss.n) == (
        first.sites["site-2"].train_loss,
        first.sites["site-2"].n_images,
    )
    assert len({line[:4] for line in lines}) == len(lines)
    if find_spec("pandas") is None:
        return
    frame = run.to_pandas()
    assert [*frame.columns] == ["round", "site", "part", "metric", "value", "n"]
    assert len(frame) == len(lines)
    wide = frame[frame.metric == "auc"].pivot(index="round", columns="site", values="value")
    assert wide.loc[3, ALL] == everywhere[3].value


def test_without_pandas_a_person_hears_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setattr(Run, "study", None)
    with pytest.raises(ConfigError, match=r"pip install 'medfl\[pandas\]'"):
        Run(Path()).to_pandas()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("tensorboard") is None, reason="TensorBoard is not installed")
def test_tensorboard_has_every_round_once_also_after_going_on(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    job = Job(make_plan(), hospitals, baselines=False, sinks=("tensorboard",))
    study = do(job, tmp_path / "r")
    do(job, tmp_path / "r")

    found = EventAccumulator(os.fspath(study.folder / FOLDER)).Reload()
    losses = [(one.step, one.value) for one in found.Scalars("training/loss")]
    assert [step for step, _ in losses] == [1, 2, 3]
    (first, *_) = study.log.read(RoundMade)
    by_hand = dict(figures_of(first))[1]["training/loss"]
    assert losses[0][1] == pytest.approx(by_hand, rel=1e-6)
    facts = [reply.facts for reply in first.sites.values()]
    assert by_hand == pytest.approx(
        sum(f["train_loss"] * f["n_images"] for f in facts) / sum(f["n_images"] for f in facts)
    )
    assert [one.step for one in found.Scalars("auc/all sites")][:3] == [0, 1, 2]


@pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not installed")
def test_mlflow_has_the_plan_and_every_round_once_also_after_going_on(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    job = Job(make_plan(), hospitals, baselines=False, sinks=("mlflow",))
    study = do(job, tmp_path / "r")
    do(job, tmp_path / "r")

    run = json.loads((study.folder / "mlflow.json").read_text())["run"]
    client = mlflow.tracking.MlflowClient()
    steps = [m.step for m in client.get_metric_history(run, "training/loss")]
    assert steps == [1, 2, 3]
    assert client.get_run(run).data.params["federation.rounds"] == "3"
