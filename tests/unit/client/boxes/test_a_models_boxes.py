"""A model's boxes beside the site's own, its worst cases, and a tried step."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.squares import box_plan as squares_plan
from tests.squares import squares
from tests.unit.client.boxes.boxed_site import box_plan, write_site

from medfl_client.commands.check import check_site
from medfl_client.commands.explain import explain
from medfl_client.commands.look import look
from medfl_client.config.folder import SiteFolder
from medfl_client.data.dataset import SiteData
from medfl_client.data.ingest import Collection
from medfl_client.model_use.box_looks import worst_boxed
from medfl_client.model_use.looks import Model
from medfl_common.errors import ConfigError
from medfl_common.models import build_model
from medfl_common.models.network import Network
from medfl_common.models.weights import shared_weights
from medfl_common.run.model_file import Reading, save_model
from medfl_common.ui.screen import Screen

LINES = ["p0.dcm,mass,8,8,24,16", "p1.dcm,nodule,30,20,44,34", "p2.dcm,mass,20,20,36,40"]


class Seer(Network):
    """Finds one square of 5 pixels in each image, at its brightest place."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        maps = torch.full((len(pixels), 4, *pixels.shape[2:]), -8.0)
        maps[:, 2:] = float(np.log(5))
        for own, image in zip(maps, pixels[:, 0], strict=True):
            own[0].view(-1)[image.argmax()] = 3
        return maps


def test_the_worst_cases_are_those_with_most_missed_and_false() -> None:
    images = squares(12, 32, 32, most=2)
    boxes = [own[~own[:, 0].isnan()].numpy() for own in images.boxes]
    found = Collection([], images.pixels, images.rows, [], {}, 0, boxes=boxes)
    part, nothing = squares(12, 32, 32, most=2), squares(0, 32, 32)
    data = SiteData(nothing, part, nothing)
    model = Model(Seer(torch.nn.Identity(), 1, 1), torch.device("cpu"))

    ranked = worst_boxed(data, found, squares_plan(), model, 12)

    faults = [sum(int(word) for word in words.split() if word.isdecimal()) for _, words in ranked]
    assert faults == sorted(faults, reverse=True)
    assert min(faults) > 0
    for place, words in ranked:
        n_discs = int((boxes[place][:, 0] == 1).sum())
        n_squares = len(boxes[place]) - n_discs
        assert words == (f"{n_discs + max(n_squares - 1, 0)} missed, {int(n_squares == 0)} false, ")
    perfect = [i for i, own in enumerate(boxes) if len(own) == 1 and own[0, 0] == 0]
    assert not {place for place, _ in ranked} & set(perfect)


def test_a_models_boxes_are_shown_beside_the_sites_and_a_round_can_be_tried(
    tmp_path: Path,
) -> None:
    site, plan = write_site(tmp_path, LINES), box_plan()
    save_model(tmp_path / "model", plan, shared_weights(build_model(plan)), Reading(0.5))
    (tmp_path / "plan.yaml").write_text(plan.canonical())

    alone = look(site, "p0.dcm", None, "", 0, Screen())
    both = look(site, "p0.dcm", None, str(tmp_path / "model"), 1, Screen())
    check_site(site, tmp_path / "plan.yaml", Screen())
    with pytest.raises(ConfigError, match=r"look SITE --worst 5 --model .*model$"):
        explain(site, str(tmp_path / "model"), 5, Screen())

    assert len(alone) == 1
    assert {path.parent.parent for path in both} == {SiteFolder(site).looks}
    with Image.open(both[0]) as image:
        assert image.width > 2 * image.height
