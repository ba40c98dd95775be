"""A network that came as data may have weights of any number of dimensions."""

from pathlib import Path

import torch
from tests.unit.common.graphs.test_graph_plans import PLAN
from torch import nn

from medfl_common.models.network import Network, lay_out
from medfl_common.plan.plan import load_plan


def test_only_what_has_a_pictures_dimensions_is_laid_out_for_pictures(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    backbone = nn.Conv2d(2, 3, 3)
    backbone.register_buffer("mask", torch.zeros(1, 2, 3, 4, 5))  # of windows, as in Swin
    backbone.register_buffer("place", torch.zeros(4, 5))
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}

    laid = lay_out(Network(backbone, 3, 1), load_plan(tmp_path / "plan.yaml"))

    assert isinstance(laid.backbone, nn.Conv2d)
    assert laid.backbone.weight.is_contiguous(memory_format=torch.channels_last)
    assert not laid.backbone.weight.is_contiguous()
    assert all(torch.equal(before[n], t) for n, t in laid.backbone.state_dict().items())
    assert all(b.is_contiguous() for b in laid.backbone.buffers())
