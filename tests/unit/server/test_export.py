"""A finished study's model for other programs, and its card."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.run.events import Finished
from medfl_common.run.model_file import load_model
from medfl_server.export.model import export
from medfl_server.reports.model_card import write_model_card
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study


def finish(folder: Path, plan_file: Path, hospitals: Path) -> Study:
    study = create_study(folder, plan_file)
    run_study(study, virtual_sites(hospitals, study.plan))
    return study


def test_exported_forms_give_torchs_logits_for_any_batch(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    import onnxruntime

    study = finish(tmp_path / "s", make_plan(federation={"rounds": 1}), hospitals)

    export(study.folder, tmp_path / "out", onnx=True, torchscript=True)

    pixels = torch.randn(5, 1, 24, 24)
    _, model, _ = load_model(tmp_path / "out")
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    (logits,) = session.run(["logits"], {"pixels": pixels.numpy()})
    expected = model(pixels).detach().numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    facts = json.loads((tmp_path / "out" / "preprocessing.json").read_text())
    assert facts["input"]["shape"] == ["batch", 1, 24, 24]
    assert facts["output"]["classes"] == ["normal", "opacity"]
    assert set(facts["parity"]) == {"model.onnx", "model.pt"}
    assert facts["reading"]["temperature"] > 0
    for name in ("threshold", "youden"):
        assert 0 <= facts["reading"]["rates"][name]["sensitivity"] <= 1


def test_a_model_that_is_each_sites_own_is_not_exported(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 1}, model={"norm_layers": "local"})
    study = finish(tmp_path / "s", plan, hospitals)

    with pytest.raises(ConfigError, match="there is no common model"):
        export(study.folder, tmp_path / "out", onnx=False, torchscript=False)


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
