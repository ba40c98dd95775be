"""Where a study's weights come from, and what of them travels.

torchvision takes two seconds to import, so it is imported where it is used.
"""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.models import build_model
from medfl_common.models.weights import load_shared
from medfl_common.plan.plan import load_plan
from medfl_server.study.initial_weights import initial_weights
from medfl_server.study.run_directory import create_study


def write_weights(path: Path, tensors: dict[str, torch.Tensor]) -> dict[str, str]:
    save_file(tensors, path)
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_file_of_colour_weights_answers_grey_pictures_as_before(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    from torchvision.models import resnet18

    net = resnet18(num_classes=7).eval()
    weights = write_weights(tmp_path / "w.safetensors", net.state_dict())
    plan = make_plan(
        images={"size": 32}, model={"name": "resnet18", "norm": "batch", "weights": weights}
    )

    model, start = initial_weights(create_study(tmp_path / "s", plan))
    load_shared(model, start)
    (tmp_path / "w.safetensors").unlink()  # the study holds a copy
    again, _ = initial_weights(create_study(tmp_path / "s2", make_plan()))

    grey = torch.randn(2, 1, 32, 32)
    net.fc = torch.nn.Identity()
    torch.testing.assert_close(model.eval().features(grey), net(grey.expand(-1, 3, -1, -1)))
    assert start["head.1.weight"].shape == (1, 512)
    assert again.n_features == 128


def test_a_model_that_medfl_wrote_is_a_start_with_its_head(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    first = build_model(load_plan(make_plan(task={"classes": ["normal", "opacity"]})))
    tensors = {name: tensor + 1 for name, tensor in first.state_dict().items()}
    weights = write_weights(tmp_path / "model.safetensors", tensors)

    _, start = initial_weights(create_study(tmp_path / "s", make_plan(model={"weights": weights})))

    assert all(torch.equal(start[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "it is another file, or was changed"),
        ({"file": "none.safetensors"}, "cannot be read"),
    ],
)
def test_a_file_that_is_not_the_plans_stops_the_study_before_it_is_made(
    change: dict[str, str], message: str, make_plan: MakePlan, tmp_path: Path
) -> None:
    weights = write_weights(tmp_path / "w.safetensors", {"a": torch.zeros(1)}) | change

    with pytest.raises(ConfigError, match=message):
        create_study(tmp_path / "s", make_plan(model={"weights": weights}))
    assert not (tmp_path / "s").exists()


def test_weights_of_another_network_name_the_tensor(make_plan: MakePlan, tmp_path: Path) -> None:
    from torchvision.models import resnet18

    weights = write_weights(tmp_path / "w.safetensors", resnet18().state_dict())
    study = create_study(tmp_path / "s", make_plan(model={"weights": weights}))

    with pytest.raises(ConfigError, match=r"do not fit small_cnn: backbone\.0\.weight is"):
        initial_weights(study)


def test_imagenet_weights_come_from_torchvision_in_units_of_medfl(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import ResNet18_Weights, resnet18

    net = resnet18().eval()  # stands for the published file where torch keeps what it fetched
    name = ResNet18_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(net.state_dict(), tmp_path / "hub" / "checkpoints" / name)
    images = {"size": 32, "channels": 3}
    plan = make_plan(
        images=images, model={"name": "resnet18", "norm": "own", "weights": "imagenet"}
    )

    model, start = initial_weights(create_study(tmp_path / "s", plan))
    load_shared(model, start)

    colours = torch.rand(1, 3, 32, 32)
    spread = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    ours = model.eval().backbone.conv1(colours / 0.25)
    torch.testing.assert_close(ours, net.conv1(colours / spread))


def test_published_weights_ask_for_the_norm_they_were_made_with(make_plan: MakePlan) -> None:
    plan = make_plan(
        images={"size": 32}, model={"name": "resnet18", "norm": "group", "weights": "imagenet"}
    )

    with pytest.raises(ConfigError, match="no published weights for resnet18 with norm 'group'"):
        build_model(load_plan(plan))


@pytest.mark.parametrize(
    ("model", "travels", "rests"),
    [
        ({"freeze": "all"}, {"head.1"}, {"backbone.0", "backbone.1", "backbone.9"}),
        ({"freeze": {"last": 1}}, {"backbone.9", "head.1"}, {"backbone.4", "backbone.5"}),
        ({"freeze": {"last": 2}}, {"backbone.4", "backbone.5", "head.1"}, {"backbone.0"}),
        ({"norm_layers": "local"}, {"backbone.0", "head.1"}, {"backbone.1", "backbone.5"}),
        ({}, {"backbone.0", "backbone.1", "head.1"}, set()),
    ],
)
def test_only_what_is_trained_and_common_travels(
    model: dict[str, object], travels: set[str], rests: set[str], make_plan: MakePlan
) -> None:
    network = build_model(load_plan(make_plan(model={"norm": "batch", **model})))

    shared = {name.rpartition(".")[0] for name in network.names("shared")}
    others = network.names("start") + network.names("local")
    assert travels <= shared
    assert rests <= {name.rpartition(".")[0] for name in others} - shared
    trained = {name for name, weight in network.named_parameters() if weight.requires_grad}
    assert trained <= set(network.names("shared") + network.names("local"))


def test_a_frozen_batchnorm_does_not_follow_the_images(make_plan: MakePlan) -> None:
    network = build_model(load_plan(make_plan(model={"norm": "batch", "freeze": {"last": 1}})))
    before = network.state_dict()["backbone.1.running_mean"].clone()

    network.train()(torch.randn(8, 1, 24, 24) + 5)

    assert torch.equal(network.state_dict()["backbone.1.running_mean"], before)


def test_a_batchnorm_that_is_trained_behind_a_frozen_part_does(make_plan: MakePlan) -> None:
    network = build_model(load_plan(make_plan(model={"norm": "batch", "freeze": {"last": 2}})))
    before = network.state_dict()["backbone.5.running_mean"].clone()

    network.train()(torch.randn(8, 1, 24, 24) + 5)

    assert not torch.equal(network.state_dict()["backbone.5.running_mean"], before)
