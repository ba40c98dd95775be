"""What a hostile graph may cost in time and memory, and whether the hospital is shown it."""

import time
import weakref

import pytest
import torch
from tests.unit.common.graphs.small_graphs import text, whole
from tests.unit.common.graphs.test_graph_attacks import IMAGE, N, extra, of, op
from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models.graphs.facts import facts_of
from medfl_common.models.graphs.measure import measure
from medfl_common.models.graphs.network import GraphNetwork
from medfl_common.models.graphs.operators import operators
from medfl_common.models.graphs.reading import read_graph
from medfl_common.models.graphs.rules import check_rules


def test_a_size_that_only_other_numbers_of_images_have_is_refused_before_it_is_made() -> None:
    # (n - 2) (n - 3) (n - 4096) 2^32 is nothing for the numbers that are tried beforehand.
    minus = [op("sym.sub", of(N), k) for k in (2, 3)]
    size = [
        op("aten.sym_size.int", of(IMAGE), 0), *minus, op("sym.sub", 4096, of(N)),
        op("sym.mul", of(N + 1), of(N + 2)), op("sym.mul", of(N + 4), of(N + 3)),
        op("sym.mul", of(N + 5), 2**28), op("aten.zeros.default", [of(N + 6)]),
    ]  # fmt: skip
    graph = read_graph(text(extra(*size)))
    measure(graph)
    network = GraphNetwork(graph).train()

    assert network(torch.rand(2, 1, 8, 8)).shape == (2, 2)
    with pytest.raises(ConfigError, match="takes the values of one image beyond"):
        network(torch.rand(4, 1, 8, 8))


def test_an_index_beyond_its_range_is_the_last_one_in_it() -> None:
    values, beyond = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[9, -9, 1]])
    ops = {name: one.run for name, one in operators().items()}

    assert ops["aten.gather.default"](values, 1, beyond).tolist() == [[3.0, 1.0, 2.0]]
    assert ops["aten.index_select.default"](values, 1, beyond[0]).tolist() == [[3.0, 1.0, 2.0]]
    assert ops["aten.index.Tensor"](values, [None, beyond[0]]).tolist() == [[3.0, 1.0, 2.0]]
    assert ops["aten.index.Tensor"](values, [None, torch.tensor([-1])]).tolist() == [[3.0]]
    assert ops["aten.one_hot.default"](beyond[0], 2).tolist() == [[0, 1], [1, 0], [0, 1]]
    one, ignored = torch.tensor([7]), torch.tensor([-100, 2])
    loss = ops["aten.cross_entropy_loss.default"]
    assert loss(values, one) == loss(values, torch.tensor([2]))
    assert loss(values.repeat(2, 1), ignored) == loss(values, torch.tensor([2]))


def test_ten_thousand_views_written_ten_thousand_times_take_seconds() -> None:
    views = [op("aten.alias.default", of(N + k)) for k in range(9000)]
    writes = [op("aten.add_.Scalar", of(N + 9000), 0)] * 9000
    graph = read_graph(text(extra(op("aten.zeros.default", [1]), *views, *writes)))
    since = time.process_time()

    check_rules(graph)

    assert time.process_time() - since < 2


def test_what_nobody_uses_is_freed_at_once() -> None:
    unused = [op("aten.add.Scalar", of(IMAGE), 1.0) for _ in range(20)]
    graph = read_graph(text(extra(*unused)))
    network, made = GraphNetwork(graph).train(), list[weakref.ref[torch.Tensor]]()

    def watch(node: int, value: object) -> None:
        assert not made or made[-1]() is None
        if node >= N and isinstance(value, torch.Tensor):
            made.append(weakref.ref(value))

    with torch.no_grad():
        network.watched([torch.rand(2, 1, 8, 8)], watch)
    assert len(made) == 20


def test_the_cost_that_is_shown_has_what_only_training_pays_outside_layers() -> None:
    product = [op("aten.zeros.default", [1000, 1000]), op("aten.mm.default", of(N), of(N))]
    facts = facts_of(read_graph(text(extra(*product))))

    # 1000^3 for two images, beside 8 x 8 places x 4 channels x 9, and so on
    assert 5e8 < facts.multiply_adds < 5.01e8


def test_a_layer_that_only_training_has_near_the_pixels_is_shown() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before = nn.ModuleList(nn.Conv2d(1, 1, 1) for _ in range(3))
            self.rows, self.head = nn.Linear(64, 64), nn.Linear(64, 2)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            seen = pixels
            for layer in self.before:
                seen = layer(seen) if not self.training else seen
            rows: torch.Tensor = self.head(self.rows(seen.flatten(1)))
            if self.training:
                for layer in self.before:
                    pixels = layer(pixels)
                rows = rows + pixels.mean()
            return rows

    facts = facts_of(read_graph(whole(Wide(), 1, 8, 8).data))

    assert "rows" in [one.name for one in facts.wide]
