"""A detection network leaves as ONNX, with how boxes are read from it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.squares import VOLUMES, box_plan

from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.run.model_file import Reading, save_model
from medfl_server.export.model import export


@pytest.mark.parametrize("images", [{}, VOLUMES], ids=["picture", "volume"])
def test_an_exported_detection_gives_torchs_maps_and_says_how_to_read_them(
    images: dict[str, object], tmp_path: Path
) -> None:
    import onnxruntime

    plan = box_plan(images=images)
    model, sides = build_model(plan).eval(), [*plan.images.window]
    save_model(tmp_path / "run", plan, shared_weights(model), Reading(0.5))

    export(tmp_path / "run", tmp_path / "out", onnx=True, pt2=True)

    pixels = torch.randn(3, 1, *sides)
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    (maps,) = session.run(["logits"], {"pixels": pixels.numpy()})
    np.testing.assert_allclose(maps, model(pixels).detach().numpy(), atol=1e-4)
    facts = json.loads((tmp_path / "out" / "preprocessing.json").read_text())
    output, d = facts["output"], len(sides)
    assert output["shape"] == ["batch", 2 + d, *sides]
    assert output["maps"][:2] == ["heat square", "heat disc"]
    assert output["maps"][2:] == ["log depth", "log height", "log width"][-d:]
    assert output["activation"] == "sigmoid of the first 2, exp of the others"
    assert output["reading"][1].endswith(f"its {' x '.join(['3'] * d)} neighbours")
    assert "100 surest of each class" in output["reading"][2]
    assert facts["window"]["overlap"] == 0.5
    assert facts["reading"] == {"least_score": 0.3}  # the plan's threshold is of no box
