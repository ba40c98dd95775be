"""Studies on a loss that the plan brings, beside the author's own function: the same bits."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tests.graphs import said
from tests.masks import PLAN as MASKS
from tests.masks import outlined_site
from tests.unit.sim.test_graph_losses import FOCAL, PLAN

from medfl_client.config.site_file import Policy
from medfl_client.task.site import Site
from medfl_common.parts.losses import LOSSES
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study
from medfl_sim.graphs.make_part import loss_shapes, make_part
from medfl_sim.graphs.module_file import part_of


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "outputs", "image"),
    [("plain", 1, None), ("focal", 1, None), ("dice_ce", 3, (1, 24, 24))],
)
def test_five_rounds_have_the_bits_of_the_authors_function(
    hospitals: Path, tmp_path: Path, name: str, outputs: int, image: tuple[int, ...] | None
) -> None:
    (tmp_path / "own.py").write_text(FOCAL)
    module = part_of(f"{tmp_path / 'own.py'}:{name}", "loss")
    part = make_part(
        module, "loss", loss_shapes(outputs, image), tmp_path / "part.json", lambda line: None
    )

    def trained(folder: Path, training: dict[str, object]) -> str:
        values = yaml.safe_load(MASKS.replace("MODEL", "unet") if image else PLAN)
        values["federation"], values["evaluation"] = {"rounds": 5}, {"keep": "last"}
        values["training"] |= {"precision": "float32", **training}
        plan = tmp_path / f"{folder.name}.yaml"
        plan.write_text(yaml.safe_dump(values))
        study = create_study(folder, plan)
        policy = Policy(min_cell=1, min_images=1, networks="any", bare_networks=True)
        own = {
            n: Site(n, policy, torch.device("cpu"), lambda p: outlined_site(), None) for n in "ab"
        }
        run_study(study, own if image else virtual_sites(hospitals, study.plan))
        return said(load_file(folder / "model.safetensors"))

    LOSSES.put("by_hand", lambda logits, targets: module(logits, targets.float()))
    try:
        graph = trained(tmp_path / "graph", yaml.safe_load(part)["training"])
        assert graph == trained(tmp_path / "eager", {"loss": "by_hand"})
        # medfl's own loss is plain cross-entropy here, and no other.
        assert (graph == trained(tmp_path / "built-in", {})) == (name == "plain")
    finally:
        LOSSES.forget_own()
