"""The operators of an author's network beside those that hospitals run."""

from collections.abc import Iterable

from torch.fx import Node as Step

from medfl_common.errors import ConfigError
from medfl_common.models.graphs.operators import operators
from medfl_sim.graphs.nodes import operator_name
from medfl_sim.graphs.places import place_of

INSTEAD = {  # by the beginning of the operator's name
    "aten.rand": "draw with nn.Dropout, whose draws follow the plan's seed",
    "aten.normal": "draw with nn.Dropout, whose draws follow the plan's seed",
    "aten.embedding": "multiply a one-hot tensor with a matrix",
    "aten.einsum": "use torch.matmul, with permute and reshape",
    "aten.lstm": "use convolutions or attention",
    "aten.gru": "use convolutions or attention",
    "aten.grid_sampler": "use nn.functional.interpolate with a fixed size",
    "aten.topk": "use amax, or a softmax as a weight",
    "aten.sort": "use amax, or a softmax as a weight",
    "aten.nonzero": "multiply with the condition, or use torch.where",
    "aten.as_strided": "use reshape, permute and unfold",
    "aten.fft": "use convolutions",
    "aten.copy_": "join with torch.cat in place of writing into a slice",
    "aten.index_put": "join with torch.cat, or use torch.where, in place of writing into a slice",
    "aten.fill_": "join with torch.cat, or use torch.where, in place of writing into a slice",
}
OTHERWISE = "say it with the operators that docs/reference/operators.md lists"


def refuse_others(steps: Iterable[Step]) -> None:
    """Raise ConfigError for a step that no hospital runs, with the author's line."""
    known = operators()
    for step in steps:
        name = operator_name(step)
        if step.op == "call_function" and name not in known:
            todo = next((t for start, t in INSTEAD.items() if name.startswith(start)), OTHERWISE)
            raise ConfigError(
                f"the network uses {name}{place_of(step)}, which no hospital runs", todo=todo
            )
