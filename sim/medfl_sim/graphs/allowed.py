"""The operators of an author's network beside those that hospitals run."""

from collections.abc import Iterable

from torch.fx import Node as Step

from medfl_common.errors import ConfigError
from medfl_common.models.graphs.operators import operators
from medfl_sim.graphs.nodes import operator_name, writes
from medfl_sim.graphs.places import place_of

INSTEAD = {  # by the beginning of the operator's name
    "wrap_with_set_grad_enabled": "use .detach() in place of torch.no_grad",
    "wrap_with_autocast": "leave autocast out; the plan has training.precision",
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
        if step.op != "call_function":
            continue
        if name not in known:
            todo = next((t for start, t in INSTEAD.items() if name.startswith(start)), OTHERWISE)
            raise ConfigError(
                f"the network uses {name}{place_of(step)}, which no hospital runs", todo=todo
            )
        if writes(step) and _is_given(step.args[0]):
            raise ConfigError(
                f"the network writes into its image or a weight{place_of(step)}, and a "
                "graph changes neither",
                todo="write x = x + 1 in place of x += 1, and leave inplace=True out there",
            )


def _is_given(what: object) -> bool:
    """Say whether a value is an input's or a weight's own memory, or a view of it."""
    while isinstance(what, Step) and what.op == "call_function":
        if operators()[operator_name(what)].is_fresh and not writes(what):
            return False
        what = what.args[0]
    return isinstance(what, Step) and what.op == "placeholder"
