"""A finished study's model for other programs, and its card."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError, RunError
from medfl_common.models import build_model
from medfl_common.plan.plan import load_plan
from medfl_common.run.events import Finished
from medfl_common.run.model_file import load_model
from medfl_server.export.forms import largest_difference, read_pt2, write_form
from medfl_server.export.model import export
from medfl_server.reports.model_card import write_model_card
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study

OF_OWN_USE = """\
import sys, torch
torch.save(torch.export.load(sys.argv[1]).module()(torch.load(sys.argv[2])), sys.argv[3])
assert not [name for name in sys.modules if name.startswith("medfl")]
"""


def finish(folder: Path, plan_file: Path, hospitals: Path) -> Study:
    study = create_study(folder, plan_file)
    run_study(study, virtual_sites(hospitals, study.plan))
    return study


def test_exported_forms_give_torchs_logits_for_any_batch(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    import onnxruntime

    study = finish(tmp_path / "s", make_plan(federation={"rounds": 1}), hospitals)

    said = export(study.folder, tmp_path / "out", onnx=True, pt2=True)

    pixels = torch.randn(5, 1, 24, 24, generator=torch.Generator().manual_seed(5))
    _, model, _ = load_model(tmp_path / "out")
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    (logits,) = session.run(["logits"], {"pixels": pixels.numpy()})
    expected = model(pixels).detach().numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    again = in_a_fresh_process(tmp_path / "out" / "model.pt2", pixels)
    np.testing.assert_allclose(again.detach().numpy(), expected, atol=1e-6)
    assert any("Load only your own; hospitals never get one" in line for line in said)
    facts = json.loads((tmp_path / "out" / "preprocessing.json").read_text())
    assert facts["input"]["shape"] == ["batch", 1, 24, 24]
    assert facts["output"]["classes"] == ["normal", "opacity"]
    assert facts["torch"] == torch.__version__
    assert (facts["input"]["black"], facts["input"]["white"]) == (-2.0, 2.0)
    assert set(facts["parity"]) == {"model.onnx", "model.pt2"}
    assert set(facts["files"]) > {"model.onnx", "model.pt2", "model.safetensors"}
    for name, told in facts["files"].items():
        content = (tmp_path / "out" / name).read_bytes()
        assert told["sha256"] == hashlib.sha256(content).hexdigest()
    assert facts["reading"]["temperature"] > 0
    for name in ("threshold", "youden"):
        assert 0 <= facts["reading"]["rates"][name]["sensitivity"] <= 1


def in_a_fresh_process(program: Path, pixels: torch.Tensor) -> torch.Tensor:
    """Give the logits of a .pt2 in a Python that knows nothing of medfl."""
    given, gotten = program.with_name("pixels.pt"), program.with_name("logits.pt")
    torch.save(pixels, given)
    command = [sys.executable, "-c", OF_OWN_USE, str(program), str(given), str(gotten)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-500:]
    logits: torch.Tensor = torch.load(gotten)
    return logits


def test_a_pt2_whose_logits_are_others_is_refused(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = load_plan(make_plan())
    model = build_model(plan).eval()
    others = build_model(plan.model_copy(update={"seed": plan.seed + 1})).eval()
    write_form("model.pt2", model, plan, tmp_path / "model.pt2")
    run = read_pt2(tmp_path / "model.pt2")

    with pytest.raises(RunError, match="logits differ from torch's"):
        largest_difference(others, plan, run)


def test_a_model_that_is_each_sites_own_is_not_exported(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 1}, model={"norm_layers": "local"})
    study = finish(tmp_path / "s", plan, hospitals)

    with pytest.raises(ConfigError, match="there is no common model"):
        export(study.folder, tmp_path / "out", onnx=False, pt2=False)


def test_the_card_tells_scores_groups_and_limits_and_no_sites_name(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    judged = {"subgroups": ["sex", "manufacturer"], "manufacturers": ["PHANTOM ALPHA"],
              "validation": 0.5}  # fmt: skip
    plan = make_plan(federation={"rounds": 1, "statistics": True}, evaluation=judged)
    study = finish(tmp_path / "s", plan, hospitals)

    path = write_model_card(study)

    assert path is not None
    card, page = path.read_text(), path.with_suffix(".html").read_text()
    for text in (card, page):
        assert "not a medical device" in text
        assert "site-1" not in text
        assert "PHANTOM ALPHA" in text
        assert "AUC (precision-recall)" in text
    assert "| site C |" in card
    for event in study.log.read(Finished):
        for facts in (reply.facts for reply in event.sites.values()):
            whole = np.array(facts["tally"]["confusion"])
            for score_counts in facts["groups"].values():
                assert (sum(np.array(t["confusion"]) for t in score_counts) <= whole).all()


def test_an_unfinished_study_has_no_card(make_plan: MakePlan, tmp_path: Path) -> None:
    assert write_model_card(create_study(tmp_path / "s", make_plan())) is None
