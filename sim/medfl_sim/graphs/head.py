"""The author's last layer, which medfl's own head replaces."""

from dataclasses import dataclass

from torch.export import ExportedProgram
from torch.fx import Node as Step

from medfl_sim.graphs.nodes import answer, sources

CONVOLUTIONS = ("aten.conv2d.default", "aten.conv3d.default")
PLAIN = {3: 1, 4: 0, 5: 1, 6: 1}  # stride, padding, dilation, groups of a 1x1 convolution


@dataclass(frozen=True)
class Head:
    """A last layer: what it takes, its weights' names in the module, its place in medfl's head."""

    takes: Step
    gives: str  # features | maps
    weight: str
    bias: str | None

    @property
    def place(self) -> str:
        """Name the layer in a Network."""
        return "head.1" if self.gives == "features" else "head.0"


def head_of(program: ExportedProgram) -> Head | None:
    """Find the last dense layer or 1x1 convolution; None if the program ends with another step."""
    last, named = answer(program), sources(program)
    gives = _gives(last)
    if not gives or not isinstance(last.args[0], Step):
        return None
    weight, bias = last.args[1], last.args[2] if len(last.args) > 2 else None
    names = [named.get(one.name, "") for one in (weight, bias) if isinstance(one, Step)]
    is_own = all(names) and all(
        len(one.users) == 1 for one in (weight, bias) if isinstance(one, Step)
    )
    if not is_own:
        return None
    return Head(last.args[0], gives, names[0], names[1] if len(names) > 1 else None)


def _gives(last: Step) -> str:
    if str(last.target) == "aten.linear.default":
        return "features" if last.meta["val"].dim() == 2 else ""
    if str(last.target) not in CONVOLUTIONS or not isinstance(last.args[1], Step):
        return ""
    kernel = last.args[1].meta["val"].shape[2:]
    is_plain = all(_all_are(last, at, value) for at, value in PLAIN.items())
    return "maps" if set(kernel) == {1} and is_plain else ""


def _all_are(step: Step, at: int, wanted: int) -> bool:
    given = step.args[at] if len(step.args) > at else wanted
    return all(one == wanted for one in (given if isinstance(given, list | tuple) else [given]))
