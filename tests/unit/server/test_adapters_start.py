"""What a study with adapters starts from, and what its finished model is.

torchvision takes two seconds to import, so it is imported where it is used.
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.conftest import MakePlan
from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models.adapters import is_adapter, merged
from medfl_common.models.weights import load_shared
from medfl_common.run.events import Finished
from medfl_common.run.model_file import WEIGHTS, load_model
from medfl_server.export.model import export
from medfl_server.reports.model_card import write_model_card
from medfl_server.study.initial_weights import initial_weights
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study

SIZE = {"size": 32}


def vit() -> nn.Module:
    from torchvision.models import VisionTransformer

    torch.manual_seed(2)
    return VisionTransformer(32, 16, 12, 3, 192, 768, num_classes=5).eval()


def from_file(path: Path, **model: object) -> dict[str, object]:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    weights = {"file": path.name, "sha256": sha256}
    return {"name": "vit_tiny_16", "norm": "own", "weights": weights, **model}


@pytest.fixture
def start_file(tmp_path: Path) -> Path:
    save_file(vit().state_dict(), tmp_path / "start.safetensors")
    return tmp_path / "start.safetensors"


def finish(folder: Path, plan_file: Path, hospitals: Path) -> Study:
    study = create_study(folder, plan_file)
    run_study(study, virtual_sites(hospitals, study.plan))
    return study


def test_published_weights_stand_beside_fresh_adapters_that_change_nothing(
    make_plan: MakePlan, start_file: Path, tmp_path: Path
) -> None:
    plan = make_plan(images=SIZE, model=from_file(start_file, adapters={"where": "all"}))

    model, start = initial_weights(create_study(tmp_path / "s", plan))

    load_shared(model, start)
    twin, grey = vit(), torch.randn(2, 1, 32, 32)
    twin.heads = nn.Identity()
    given = model.eval().features(grey)
    torch.testing.assert_close(given, twin(grey.expand(-1, 3, -1, -1)))
    assert not any(start[name].any() for name in start if name.endswith("up.weight"))


def test_adapters_of_an_earlier_study_become_part_of_the_network_of_the_next(
    make_plan: MakePlan, start_file: Path, tmp_path: Path
) -> None:
    plan = make_plan(images=SIZE, model=from_file(start_file, adapters={"where": "all"}))
    model, start = initial_weights(create_study(tmp_path / "s", plan))
    trained = {n: t + 0.02 * is_adapter(n) for n, t in start.items()}
    save_file(trained, tmp_path / "model.safetensors")
    load_shared(model, trained)
    grey = torch.randn(2, 1, 32, 32)

    for further in ({"adapters": {"rank": 2}}, {}):  # other adapters, or none
        model_section = from_file(tmp_path / "model.safetensors", **further)
        plan = make_plan(images=SIZE, model=model_section)
        name = f"s{len(further)}"
        next_model, next_start = initial_weights(create_study(tmp_path / name, plan))
        load_shared(next_model, next_start)

        torch.testing.assert_close(next_model.eval()(grey), model.eval()(grey))
    assert merged(start).keys() == next_start.keys()


def test_a_file_of_another_network_is_refused_by_the_tensors_name(
    make_plan: MakePlan, start_file: Path, tmp_path: Path
) -> None:
    tensors = load_file(start_file)
    del tensors["encoder.ln.weight"]
    save_file(tensors, start_file)
    plan = make_plan(images=SIZE, model=from_file(start_file, adapters={}))

    with pytest.raises(ConfigError, match=r"encoder\.ln\.weight"):
        initial_weights(create_study(tmp_path / "s", plan))


def test_a_study_trains_its_adapters_twice_alike_and_exports_them(
    hospitals: Path, make_plan: MakePlan, start_file: Path, tmp_path: Path
) -> None:
    import onnxruntime

    rounds = {"rounds": 2, "messages": {"update": "int8"}}
    model = from_file(start_file, adapters={"rank": 4})
    plan = make_plan(images=SIZE, model=model, federation=rounds, evaluation={"keep": "last"})
    studies = [finish(tmp_path / name, plan, hospitals) for name in ("a", "b")]

    export(studies[0].folder, tmp_path / "out", onnx=True, pt2=True)

    first, second = (load_file(study.folder / WEIGHTS) for study in studies)
    begun = load_file(studies[0].files.initial_weights)
    changed = {name for name, tensor in first.items() if not torch.equal(tensor, begun[name])}
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert changed == {n for n in first if n.endswith("up.weight") or n.startswith("head.")}
    pixels = torch.randn(3, 1, 32, 32)
    _, network, _ = load_model(tmp_path / "out")
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    (logits,) = session.run(["logits"], {"pixels": pixels.numpy()})
    np.testing.assert_allclose(logits, network(pixels).detach().numpy(), atol=1e-4)
    assert studies[0].log.read(Finished)
    card = write_model_card(studies[0]).read_text()
    assert "all but adapters of rank 4 beside its attention layers" in card
