"""A graph as a network: torch modules by the names of its weights, and a listing that runs them."""

from collections.abc import Sequence

import torch
from torch import nn

from medfl_common.models.graphs.lifting import lift
from medfl_common.models.graphs.operators import DTYPES
from medfl_common.models.graphs.program import Program, Watch
from medfl_common.models.graphs.reading import Graph, TensorFacts, refused


class GraphNetwork(nn.Module):
    """What a built-in backbone is, from a checked graph; its weights are zeros until they come.

    (B, *graph.inputs[0]) -> (B, *graph.output). In training it runs the graph's training listing;
    where all its layers are frozen, and in evaluation, the other.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._graph = graph
        self._measured: set[tuple[bool, int]] = set()  # modes and numbers of images
        self._places: dict[str, tuple[nn.Module, str]] = {}
        self._layers: list[nn.Module] = []
        self._train = self._eval = Program(graph.eval, self._tensor)
        self.statistics = [n for n, t in graph.tensors.items() if t.kind == "statistic"]
        lifted = lift(graph)
        modules = {name: module for name, (module, _, _) in lifted.items()}
        for name, facts in graph.tensors.items():
            self._places[name] = self._add(name, facts, modules)
        pairs = lifted.values()
        in_train = {one.at: (module, one.given) for module, one, _ in pairs}
        in_eval = {one.at: (module, one.given) for module, _, one in pairs}
        self._train = Program(graph.train, self._tensor, in_train)
        self._eval = Program(graph.eval, self._tensor, in_eval)
        self._layers = [m for m in self.modules() if any(True for _ in m.parameters(recurse=False))]

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Run the listing of the mode."""
        return self.watched(inputs, None)

    def watched(self, inputs: Sequence[torch.Tensor], watch: Watch | None) -> torch.Tensor:
        """Run the listing of the mode, and show what each node gave."""
        of = self._layers or [self]
        is_training = any(layer.training for layer in of)
        n = inputs[0].shape[0]
        if watch is None and type(n) is int and inputs[0].device.type != "meta":
            self._check_for(is_training, n)
        return (self._train if is_training else self._eval)(inputs, watch)

    def _check_for(self, is_training: bool, n: int) -> None:
        """Raise ConfigError where so many images need more memory than a graph may take."""
        from medfl_common.models.graphs.measure import measure_for

        if (is_training, n) not in self._measured:
            measure_for(self._graph, is_training, n)
            self._measured.add((is_training, n))

    def _add(
        self, name: str, facts: TensorFacts, lifted: dict[str, nn.Module]
    ) -> tuple[nn.Module, str]:
        """Put a tensor where its name says; raises ConfigError where the name is taken."""
        *path, leaf = name.split(".")
        module: nn.Module = self
        for k, part in enumerate(path):
            if part not in module._modules:
                if hasattr(module, part):
                    raise refused("the graph", f"tensor {name}", "has a name that is taken")
                module.add_module(part, lifted.get(".".join(path[: k + 1]), nn.Module()))
            below = module._modules[part]
            assert below is not None
            module = below
        is_there = leaf in module._parameters or leaf in module._buffers
        is_lifted = ".".join(path) in lifted
        if hasattr(module, leaf) and not (is_there and is_lifted):
            raise refused("the graph", f"tensor {name}", "has a name that is taken")
        value = _fresh(facts)
        if facts.kind == "parameter":
            module.register_parameter(leaf, nn.Parameter(value))
        else:
            module.register_buffer(leaf, value, persistent=facts.kind == "statistic")
        if "num_batches_tracked" in module._buffers:
            module._buffers["num_batches_tracked"] = torch.zeros((), dtype=torch.int64)
        return module, leaf

    def _tensor(self, name: str) -> torch.Tensor:
        module, leaf = self._places[name]
        parameter = module._parameters.get(leaf)
        found = module._buffers[leaf] if parameter is None else parameter
        assert found is not None
        return found


def _fresh(facts: TensorFacts) -> torch.Tensor:
    if facts.kind == "constant":
        return torch.tensor(facts.values, dtype=DTYPES[facts.dtype]).reshape(facts.shape)
    return torch.zeros(facts.shape)
