"""A checked listing that runs: operator after operator, each value freed after its last use."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from medfl_common.errors import ConfigError
from medfl_common.models.graphs.arguments import Ref, refs_in
from medfl_common.models.graphs.operators import operators
from medfl_common.models.graphs.reading import Listing

EMPTY = "aten.empty.memory_format"
MADE_HERE = {  # memory of their own, on the device of the images
    EMPTY,
    "aten.zeros.default",
    "aten.ones.default",
    "aten.full.default",
    "aten.arange.default",
    "aten.arange.start",
    "aten.scalar_tensor.default",
}
Watch = Callable[[int, object], None]  # takes a node's number and what it gave


class Program:
    """Runs a listing.

    Args:
        listing: Checked by the rules.
        tensor: Gives a tensor by its name at each run.
        modules: For nodes that a module stands for: itself and the node that it is given.
    """

    def __init__(
        self,
        listing: Listing,
        tensor: Callable[[str], torch.Tensor],
        modules: dict[int, tuple[torch.nn.Module, Ref]] | None = None,
    ) -> None:
        self._listing = listing
        self._tensor = tensor
        self._modules = modules or {}
        self._order, self._over = self._plan()

    def _plan(self) -> tuple[list[int], dict[int, list[int]]]:
        """Find the nodes to run, and after which each value is over.

        A weight that only modules hold is not looked up.
        """
        nodes, output = self._listing.nodes, self._listing.output
        uses = {i: [*refs_in(self._given(i))] for i in range(len(nodes))}
        last: dict[int, int] = {ref: i for i, refs in uses.items() for ref in refs}
        order = [i for i, node in enumerate(nodes) if not node.tensor or i in last or i == output]
        over: dict[int, list[int]] = {}
        unused = {i: i for i in order if i not in last}
        for ref, at in (last | unused).items():
            if ref != output:
                over.setdefault(at, []).append(ref)
        return order, over

    def _given(self, i: int) -> object:
        if i in self._modules:
            return self._modules[i][1]
        node = self._listing.nodes[i]
        return node.args, tuple(value for _, value in node.kw)

    def __call__(self, inputs: Sequence[torch.Tensor], watch: Watch | None = None) -> torch.Tensor:
        """Run all; `watch` sees what each node gave."""
        values: dict[int, object] = {}
        for i in self._order:
            values[i] = self._value(i, values, inputs)
            if watch is not None:
                watch(i, values[i])
            for gone in self._over.get(i, ()):
                del values[gone]
        found = values[self._listing.output]
        if not isinstance(found, torch.Tensor):
            raise ConfigError("the graph gives no tensor")
        return found

    def _value(self, i: int, values: dict[int, object], inputs: Sequence[torch.Tensor]) -> object:
        node = self._listing.nodes[i]
        if i in self._modules:
            module, given = self._modules[i]
            return module(values[given])
        if node.tensor:
            return self._tensor(node.tensor)
        if node.input >= 0:
            return inputs[node.input]
        more = {key: _filled(one, values) for key, one in node.kw}
        if node.op in MADE_HERE:
            more["device"] = inputs[0].device
        run = _zeros if node.op == EMPTY else operators()[node.op].run
        return run(*[_filled(one, values) for one in node.args], **more)


def _zeros(size: Any, **more: Any) -> torch.Tensor:
    """Stand in for fresh memory, which could hold what the process had there."""
    return torch.zeros(size, **more)


def _filled(argument: object, values: Mapping[int, object]) -> object:
    if isinstance(argument, Ref):
        return values[argument]
    if isinstance(argument, tuple):
        return [_filled(one, values) for one in argument]
    return argument
