"""A segmentation network starts from a classifier's weights, and leaves as ONNX."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.conftest import MakePlan

from medfl_client.commands.plan_summary import summarise
from medfl_common.errors import ConfigError
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.model_file import Reading, save_model
from medfl_server.export.catalogue import catalogue
from medfl_server.export.model import export
from medfl_server.study.initial_weights import initial_weights
from medfl_server.study.plan_check import check_plan
from medfl_server.study.run_directory import create_study

TASK: dict[str, object] = {"type": "segmentation", "classes": ["background", "lung"]}
VOLUMES: dict[str, object] = {"size": 20, "depth": 6, "dimensions": 3, "sample": "series",
                              "spacing_mm": 2.0, "slice_mm": 5.0}  # fmt: skip


def written(make_plan: MakePlan, **sections: dict[str, object]) -> Path:
    model = {"name": "unet", "norm": "own", **sections.pop("model", {})}
    return make_plan(task=TASK, model=model, **sections)


def segmentation(make_plan: MakePlan, **sections: dict[str, object]) -> Plan:
    return load_plan(written(make_plan, **sections))


@pytest.mark.parametrize("images", [{"size": 22}, VOLUMES], ids=["picture", "volume"])
def test_an_exported_segmentation_gives_torchs_logits_for_any_batch(
    images: dict[str, object], make_plan: MakePlan, tmp_path: Path
) -> None:
    import onnxruntime

    plan = segmentation(make_plan, images=images, model={"levels": 3, "deep_supervision": True})
    model = build_model(plan).eval()
    save_model(tmp_path / "run", plan, model.state_dict(), Reading(0.5))

    export(tmp_path / "run", tmp_path / "out", onnx=True, pt2=True)

    sides = plan.images.shape[1:]
    pixels = torch.randn(4, 1, *sides)
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    (logits,) = session.run(["logits"], {"pixels": pixels.numpy()})
    np.testing.assert_allclose(logits, model(pixels).detach().numpy(), atol=1e-4)
    facts = json.loads((tmp_path / "out" / "preprocessing.json").read_text())
    assert facts["output"]["shape"] == ["batch", 2, *sides]
    assert facts["output"]["activation"] == "softmax over axis 1"
    assert facts["window"]["patch"] == [*sides]
    assert facts["window"]["overlap"] == 0.5
    known = [5.0, 2.0, 2.0] if len(sides) == 3 else [None, None]
    assert facts["window"]["spacing_mm"] == known


def test_a_classifiers_weights_are_the_encoders_and_the_rest_is_drawn(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    images = {"size": 32}
    named = {"name": "resnet18", "norm": "group"}
    classifier = build_model(load_plan(make_plan(images=images, model=named)))
    tensors = {name: tensor + 1 for name, tensor in classifier.state_dict().items()}
    save_file(tensors, tmp_path / "w.safetensors")
    sha256 = hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    weights = {"file": "w.safetensors", "sha256": sha256}
    model = {"encoder": "resnet18", "norm": "group", "weights": weights, "freeze": "all"}
    plan = written(make_plan, images=images, model=model)

    network, start = initial_weights(create_study(tmp_path / "s", plan))

    drawn = build_model(load_plan(plan)).state_dict()
    for name, tensor in start.items():
        of_classifier = name.replace("backbone.encoder", "backbone", 1)
        is_given = name.startswith("backbone.encoder.")
        assert torch.equal(tensor, tensors[of_classifier] if is_given else drawn[name])
    assert set(network.names("start")) == {n for n in start if n.startswith("backbone.encoder.")}


def test_a_plan_with_the_wrong_kind_of_network_makes_no_study(make_plan: MakePlan) -> None:
    wrong = segmentation(make_plan, model={"name": "resnet18"})

    with pytest.raises(ConfigError, match="resnet18 answers for the whole image"):
        check_plan(wrong, "plan.yaml")


def test_the_hospital_and_the_list_are_told_the_network_and_its_weights(
    make_plan: MakePlan,
) -> None:
    plan = segmentation(make_plan, images={"size": 32},
                        model={"encoder": "resnet18", "freeze": "all"})  # fmt: skip
    network = build_model(plan)

    told = dict(summarise(plan))

    n = sum(t.numel() for name, t in network.state_dict().items() if "encoder" not in name)
    assert told["what medfl trains"] == (
        "the network unet on the layers of resnet18, from random weights, its encoder frozen; "
        f"{n:,} weights"
    )
    assert told["what the model learns"] == (
        "which of these each pixel of an image is: background, lung"
    )
    rows = {name: row for name, *row in catalogue()}
    assert rows["unet"][1] == "1.9 M"
    assert float(rows["unet"][2]) > float(rows["unet"][3]) > 0


FORKED = """\
import os, sys
from pathlib import Path
import torch
from medfl_server.export.model import export
export(Path(sys.argv[1]), Path(sys.argv[2]), onnx=True, pt2=False)
torch.ones(1, requires_grad=True).sum().backward()
child = os.fork()
if child == 0:
    torch.ones(1, requires_grad=True).sum().backward()
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_process_that_exported_may_still_be_forked_to_train(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = segmentation(make_plan, images={"size": 22}, model={"width": 4, "levels": 2})
    save_model(tmp_path / "run", plan, shared_weights(build_model(plan)), Reading(0.5))
    command = [sys.executable, "-c", FORKED, str(tmp_path / "run"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-500:]
