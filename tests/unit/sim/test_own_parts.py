"""Own parts of scripts and plugins in simulations: in every engine, and how they fail."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tests.conftest import MakePlan
from tests.wheels import NAMES, PARTS, SECTIONS, environment, install
from torch import nn

from medfl_client.training.augment import augment
from medfl_client.training.losses import each_image_loss, training_loss
from medfl_common.errors import ConfigError, TrainingError
from medfl_common.metrics.counts import N_BINS, ScoreCounts
from medfl_common.models import MODELS, build_model
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.plan.training import Augmentation
from medfl_common.registry import REGISTRIES
from medfl_server.aggregation.aggregator import aggregation_of
from medfl_server.aggregation.strategies import AggregationContext, UpdateInfo
from medfl_server.reports.own_scores import own_scores
from medfl_sim import Samples, use
from medfl_sim.own.scripts import import_scripts
from medfl_sim.own.use import own_modules

NAMED = ", ".join(f"{kind}={name}" for kind, name in NAMES.items())
SCRIPT = f"{PARTS}\n\nfrom medfl_sim import use\n\nuse({NAMED})\n"
START = "from medfl_sim.cli import main; main()"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Forget own parts after a test, in this process."""
    before = own_modules().copy()
    yield
    own_modules().intersection_update(before)
    for registry in REGISTRIES.values():
        registry.forget_own()


@pytest.fixture
def plan_file(make_plan: MakePlan) -> Path:
    return make_plan("own.yaml", **SECTIONS)


def simulated(folder: Path, plan: Path, hospitals: Path, name: str, *options: str) -> str:
    """Run a simulation in a process of its own; give the SHA-256 of its final weights."""
    command = [
        sys.executable, "-W", "ignore", "-c", START, "run", str(plan), "--data", str(hospitals),
        "--out", str(folder / name), "--no-baselines", "--workers", "2", *options,
    ]  # fmt: skip
    env = environment(folder / "wheels", folder / "marker")
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    from medfl_common.run.log import RunLog

    return str(RunLog(folder / name).lines("finished")[0]["sha256"])


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "my_own_parts.py"
    path.write_text(SCRIPT)
    return path


def test_own_parts_give_the_same_weights_in_worker_processes_and_from_a_plugin(
    tmp_path: Path, plan_file: Path, script: Path, hospitals: Path
) -> None:
    own = ("--import", str(script))
    plugin = install(tmp_path / "wheels")
    with_plugin = tmp_path / "plugin.yaml"
    values = {**yaml.safe_load(plan_file.read_text()), "plugins": [plugin.model_dump()]}
    with_plugin.write_text(yaml.safe_dump(values))
    for site in hospitals.glob("*/site.yaml"):
        allowed = f"min_cell: 1, plugins: [{plugin.model_dump_json()}]"
        site.write_text(site.read_text().replace("min_cell: 1", allowed))

    alone = simulated(tmp_path, plan_file, hospitals, "alone", *own)
    forked = simulated(tmp_path, plan_file, hospitals, "forked", "--engine", "processes", *own)
    assert not (tmp_path / "marker").exists()
    installed = simulated(tmp_path, with_plugin, hospitals, "plugin", "--engine", "processes")

    assert alone == forked == installed
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("way", ["script", "plugin"])
def test_own_parts_give_the_same_weights_in_ray(
    tmp_path: Path, plan_file: Path, script: Path, hospitals: Path, way: str
) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'medfl[ray]'")
    own = ("--import", str(script), "--partition", "iid", "--sites", "3")
    alone = simulated(tmp_path, plan_file, hospitals, "alone", *own)
    if way == "plugin":
        plugin, own = install(tmp_path / "wheels"), own[2:]
        values = {**yaml.safe_load(plan_file.read_text()), "plugins": [plugin.model_dump()]}
        plan_file.write_text(yaml.safe_dump(values))

    assert simulated(tmp_path, plan_file, hospitals, "ray", "--engine", "ray", *own) == alone


@pytest.mark.slow
def test_the_processes_of_a_sweep_have_own_parts(
    tmp_path: Path, plan_file: Path, script: Path, hospitals: Path
) -> None:
    command = [
        sys.executable, "-W", "ignore", "-c", START, "sweep", str(plan_file), "--data",
        str(hospitals), "--vary", "lr=0.01,0.02", "--seeds", "1", "--workers", "2",
        "--out", str(tmp_path / "sweep"), "--import", str(script),
    ]  # fmt: skip

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert len([*(tmp_path / "sweep").rglob("model.safetensors")]) == 2


def test_a_real_study_takes_no_part_of_a_script(tmp_path: Path, plan_file: Path) -> None:
    command = [
        sys.executable, "-c", "from medfl_server.cli import main; main()", "init",
        str(tmp_path / "study"), "--plan", str(plan_file), "--host", "localhost",
    ]  # fmt: skip

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    words = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1
    assert "unknown strategy 'half_way'" in words
    assert not (tmp_path / "study").exists()


def test_a_part_that_is_none_is_refused_in_words(tmp_path: Path, script: Path) -> None:
    with pytest.raises(ConfigError, match="unknown kind of part 'optimizer'; known: network"):
        use(optimizer=torch.optim.SGD)
    with pytest.raises(ConfigError, match="there is a model 'small_cnn' already"):
        use(network=nn.Identity, name="small_cnn")
    with pytest.raises(ConfigError, match="has no name"):
        use(loss=lambda logits, target: logits)
    with pytest.raises(ConfigError, match="cannot be called"):
        use(loss=3, name="three")
    reader = type("Reader", (), {"__module__": "__main__"})
    with pytest.raises(ConfigError, match="the processes that decode images cannot find it"):
        use(source=reader)
    with pytest.raises(ConfigError, match="own data have no name"):
        use(data=Samples([], []))
    with pytest.raises(ConfigError, match="there is no such script"):
        import_scripts([tmp_path / "none.py"])
    (tmp_path / "json.py").touch()
    with pytest.raises(ConfigError, match="there is another module json"):
        import_scripts([tmp_path / "json.py"])


def own_plan(make_plan: MakePlan, **sections: dict[str, object]) -> Plan:
    return load_plan(make_plan(**sections))


def test_an_own_loss_is_the_mean_of_what_it_gives_and_noise_wants_each_image(
    make_plan: MakePlan,
) -> None:
    use(loss=lambda logits, target: (logits - target).square().sum(1), name="each")
    use(loss=lambda logits, target: (logits - target).square().mean(), name="mean")
    use(loss=lambda logits, target: logits, name="wrong")
    logits, target = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [1.0]])

    each, mean, wrong = (
        own_plan(make_plan, training={"loss": name}) for name in ("each", "mean", "wrong")
    )

    assert training_loss(each, target)(logits, target) == 2.5
    assert each_image_loss(each)(logits, target).tolist() == [1.0, 4.0]
    assert training_loss(mean, target)(logits, target) == 2.5
    with pytest.raises(TrainingError, match="needs that of each image"):
        each_image_loss(mean)(logits, target)
    with pytest.raises(TrainingError, match=r"gives \(2, 1\) for 2 images"):
        training_loss(wrong, target)(logits, target)
    with pytest.raises(ConfigError, match="no class_balance: weights goes with"):
        own_plan(make_plan, training={"loss": "each", "class_balance": "weights"})


def test_an_own_network_gets_the_plans_norm_and_says_what_it_lacks(make_plan: MakePlan) -> None:
    use(network=lambda images: nn.Sequential(nn.BatchNorm2d(images.channels), nn.Flatten()),
        name="flat")  # fmt: skip
    use(network=nn.Identity, name="maps")

    model = build_model(own_plan(make_plan, model={"name": "flat", "norm": "group"}))

    assert isinstance(model.backbone[0], nn.GroupNorm)  # type: ignore[index]
    assert model.n_features == 24 * 24
    assert build_model(own_plan(make_plan, model={"name": "flat", "norm": "own"}))
    with pytest.raises(ConfigError, match=r"gives \(2, 1, 24, 24\) for 2 images, not"):
        build_model(own_plan(make_plan, model={"name": "maps"}))
    assert "flat" in MODELS.names()


def test_an_own_augmentation_changes_the_drawn_images_alone_and_keeps_their_shape() -> None:
    use(augmentation=lambda images, generator: images + 1, name="more")
    use(augmentation=lambda images, generator: images[:, :, 1:], name="less")
    images = torch.zeros(400, 1, 4, 4)

    changed = augment(images, Augmentation(own=["more"], share=0.25), torch.Generator())

    means = changed.mean(dim=(1, 2, 3))
    assert set(means.tolist()) == {0.0, 1.0}
    assert 60 < int(means.sum()) < 140  # of 400 a quarter, drawn
    assert Augmentation(own=["more"]).changes() == {"more": True}
    with pytest.raises(TrainingError, match="the augmentation less makes"):
        augment(images, Augmentation(own=["less"]), torch.Generator())


def test_an_own_rule_gets_the_updates_in_rows_and_moves_the_weights(make_plan: MakePlan) -> None:
    use(strategy=lambda updates, n_images: (n_images / n_images.sum()) @ updates, name="weighed")
    plan = own_plan(make_plan, federation={"strategy": "weighed"})
    weights = {"a": torch.zeros(2), "b": torch.ones(1, 2)}

    one = aggregation_of(AggregationContext(plan.federation))
    one.add({"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([[3.0, 4.0]])}, UpdateInfo(30))
    one.add({"a": torch.tensor([5.0, 2.0]), "b": torch.tensor([[3.0, 0.0]])}, UpdateInfo(10))
    found = one.result(weights)

    assert found["a"].tolist() == [2.0, 2.0]
    assert found["b"].tolist() == [[4.0, 4.0]]
    with pytest.raises(ConfigError, match="weighed"):  # it needs each update
        own_plan(make_plan, federation={"strategy": "weighed"}, privacy={"secure_sum": {}})


def test_an_own_metric_is_of_counts_and_none_where_it_is_no_number(make_plan: MakePlan) -> None:
    use(metric=lambda c: c.confusion[1, 1] / c.confusion[1].sum(), name="recall_of_1")
    use(metric=lambda c: (c.positive[:, 1:] * (c.edges > 0)).sum() / c.positive.sum(), name="above")
    use(metric=lambda c: "much", name="words")
    plan = own_plan(make_plan, evaluation={"own_metrics": ["recall_of_1", "above"]})
    bins = np.zeros((1, N_BINS), np.int64)
    bins[0, N_BINS // 2 + 3], bins[0, 2] = 6, 2
    none = np.zeros((1, N_BINS), np.int64)
    confusion = np.array([[5, 1], [2, 6]])

    found = own_scores(ScoreCounts(14, 0.5, confusion, bins, none), plan)
    empty = own_scores(ScoreCounts(6, 0.5, np.array([[5, 1], [0, 0]]), none, none), plan)

    assert found == {"recall_of_1": 0.75, "above": 0.75}
    assert empty == {"recall_of_1": None, "above": None}
    wrong = own_plan(make_plan, evaluation={"own_metrics": ["words"]})
    with pytest.raises(ConfigError, match="the metric words gives no number"):
        own_scores(ScoreCounts(14, 0.5, confusion, bins, none), wrong)
