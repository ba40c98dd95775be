"""A graph file read: strict JSON, bounded, each number and name checked; nothing of it runs."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn, cast, get_args

from medfl_common.errors import ConfigError
from medfl_common.models.graphs.arguments import ArgumentError, literal
from medfl_common.models.graphs.operators import DTYPES
from medfl_common.plan.bounds import Value, shorten
from medfl_common.plan.graph_files import MOST_BYTES
from medfl_common.plan.strict_json import parse_json
from medfl_common.visible import visible

VERSION = 1
MOST_NODES = 20_000  # of a listing; DenseNet-121 has 1,300
MOST_TENSORS = 10_000
MOST_LEVELS = 60_000  # of all names; the deepest networks have 12 a name
MOST_WEIGHTS = 2**31  # elements of all weights
MOST_CONSTANTS = 2**20  # elements of all constants
MOST_VALUES = 3_000_000  # keys and plain values of the file
NAME = r"(?!.*__)[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*"

Gives = Literal["features", "maps", "logits", "loss", "image"]
Kind = Literal["parameter", "statistic", "constant"]


@dataclass(frozen=True)
class TensorFacts:
    """A weight, a running statistic, or numbers that never change."""

    name: str
    kind: Kind
    shape: tuple[int, ...]
    dtype: str = "float32"
    values: tuple[bool | int | float, ...] = ()  # of a constant, in rows


@dataclass(frozen=True)
class Node:
    """One line: a tensor by name, an input by number, or an operator with its arguments."""

    op: str = ""
    args: tuple[object, ...] = ()
    kw: tuple[tuple[str, object], ...] = ()
    tensor: str = ""
    input: int = -1


@dataclass(frozen=True)
class Listing:
    """Nodes in their order, and which gives the result."""

    nodes: tuple[Node, ...]
    output: int


@dataclass(frozen=True, eq=False)
class Graph:
    """What a file holds.

    gives: features (B, F) or maps (B, F, [D,] H, W), on which medfl's own head looks; logits; the
        loss of a batch; or an image.
    inputs: Shapes for one image.
    output: The same of the result.
    """

    gives: Gives
    torch: str
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    tensors: dict[str, TensorFacts]
    train: Listing
    eval: Listing

    @property
    def n_parameters(self) -> int:
        """Count the trained numbers."""
        return sum(math.prod(t.shape) for t in self.tensors.values() if t.kind == "parameter")


def read_graph(data: bytes, source: str = "the graph") -> Graph:
    """Read a file's content; raises ConfigError that says what is wrong, and where."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source} is not UTF-8 text (byte {error.start})") from None
    values = parse_json(text, source, MOST_BYTES, MOST_VALUES)
    return _Reader(source).graph(values)


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source

    def graph(self, values: dict[str, Value]) -> Graph:
        keys = {"medfl_graph", "torch", "gives", "inputs", "output", "tensors", "train", "eval"}
        if values.get("medfl_graph") != VERSION or isinstance(values.get("medfl_graph"), bool):
            self._refuse(
                "the file", f"has version {_shown(values.get('medfl_graph'))}, not {VERSION}"
            )
        self._keys(values, keys, "the file")
        gives, version, inputs = values["gives"], values["torch"], values["inputs"]
        if gives not in get_args(Gives):
            self._refuse("gives", f"is {_shown(gives)}; known: {', '.join(get_args(Gives))}")
        if not isinstance(version, str) or not re.fullmatch(r"\d{1,3}\.\d{1,3}", version):
            self._refuse("torch", f"is {_shown(version)}, not a version such as 2.14")
        if not isinstance(inputs, list) or not 1 <= len(inputs) <= 4:
            self._refuse("inputs", "is no list of one to four shapes")
        tensors = self._tensors(values["tensors"])
        return Graph(
            gives=cast(Gives, gives),
            torch=version,
            inputs=tuple(self._shape(one, f"input {i}") for i, one in enumerate(inputs)),
            output=self._shape(values["output"], "output"),
            tensors=tensors,
            train=self._listing(values["train"], "train", tensors, len(inputs)),
            eval=self._listing(values["eval"], "eval", tensors, len(inputs)),
        )

    def _tensors(self, values: Value) -> dict[str, TensorFacts]:
        if not isinstance(values, dict) or len(values) > MOST_TENSORS:
            self._refuse("tensors", f"is no list of at most {MOST_TENSORS:,} tensors by name")
        if sum(name.count(".") for name in values) > MOST_LEVELS:
            self._refuse("tensors", f"have names with more than {MOST_LEVELS:,} levels in all")
        found = {name: self._tensor(name, facts) for name, facts in values.items()}
        n_weights = sum(math.prod(one.shape) for one in found.values())
        if n_weights > MOST_WEIGHTS:
            self._refuse("tensors", f"have {n_weights:.3g} elements, more than {MOST_WEIGHTS:,}")
        if sum(len(one.values) for one in found.values()) > MOST_CONSTANTS:
            self._refuse("tensors", f"have more than {MOST_CONSTANTS:,} constant numbers")
        return found

    def _tensor(self, name: str, facts: Value) -> TensorFacts:
        where = f"tensor {_shown(name)}"
        if len(name) > 200 or re.fullmatch(NAME, name) is None:
            self._refuse(where, "has no name of letters, digits, _ and dots")
        kind = facts.get("kind") if isinstance(facts, dict) else None
        if kind not in get_args(Kind) or not isinstance(facts, dict):
            self._refuse(where, f"has kind {_shown(kind)}; known: {', '.join(get_args(Kind))}")
        more = {"dtype", "values"} if kind == "constant" else set()
        self._keys(facts, {"kind", "shape"} | more, where)
        shape = self._shape(facts["shape"], where)
        if kind != "constant":
            return TensorFacts(name, cast(Kind, kind), shape)
        dtype, given = facts["dtype"], facts["values"]
        if not isinstance(dtype, str) or dtype not in DTYPES:
            self._refuse(where, f"has dtype {_shown(dtype)}; known: {', '.join(DTYPES)}")
        kinds = {"float32": (int, float), "int64": (int,), "bool": (bool,)}[dtype]
        if not isinstance(given, list) or len(given) != math.prod(shape):
            self._refuse(where, f"has not the {math.prod(shape):,} values of its shape")
        for value in given:
            if type(value) not in kinds or not (-(2**63) <= cast(float, value) < 2**63):
                self._refuse(where, f"has the value {_shown(value)}, which is no {dtype}")
        return TensorFacts(name, "constant", shape, dtype, tuple(cast(list[float], given)))

    def _shape(self, value: Value, where: str) -> tuple[int, ...]:
        if not isinstance(value, list) or len(value) > 8:
            self._refuse(where, f"has the shape {_shown(value)}, which is no list of sides")
        for side in value:
            if type(side) is not int or not 0 < side < 2**31:
                self._refuse(where, f"has a side of {_shown(side)}")
        shape = tuple(cast(list[int], value))
        if math.prod(shape) > MOST_WEIGHTS:
            self._refuse(where, f"has {math.prod(shape):.3g} elements")
        return shape

    def _listing(
        self, value: Value, mode: str, tensors: dict[str, TensorFacts], n_inputs: int
    ) -> Listing:
        if not isinstance(value, dict):
            self._refuse(mode, "is no list of nodes")
        self._keys(value, {"nodes", "output"}, mode)
        nodes, output = value["nodes"], value["output"]
        if not isinstance(nodes, list) or not 0 < len(nodes) <= MOST_NODES:
            self._refuse(mode, f"has no list of 1 to {MOST_NODES:,} nodes")
        found = []
        for i, node in enumerate(nodes):
            found.append(self._node(node, i, f"{mode}, node {i}"))
            if found[-1].tensor and found[-1].tensor not in tensors:
                self._refuse(f"{mode}, node {i}", f"names no tensor: {_shown(found[-1].tensor)}")
            if found[-1].input >= n_inputs:
                self._refuse(f"{mode}, node {i}", f"names input {found[-1].input} of {n_inputs}")
        if type(output) is not int or not 0 <= output < len(found):
            self._refuse(mode, f"has the output {_shown(output)}, which is no node")
        return Listing(tuple(found), output)

    def _node(self, value: Value, i: int, where: str) -> Node:
        if not isinstance(value, dict):
            self._refuse(where, "is no object")
        if set(value) == {"tensor"} and isinstance(value["tensor"], str):
            return Node(tensor=value["tensor"])
        if set(value) == {"input"} and type(value["input"]) is int and value["input"] >= 0:
            return Node(input=value["input"])
        if set(value) - {"kw"} != {"op", "args"}:
            self._refuse(where, "is neither a tensor, an input nor an operator with arguments")
        op, args, kw = value["op"], value["args"], value.get("kw", {})
        if not isinstance(op, str) or not isinstance(args, list) or not isinstance(kw, dict):
            self._refuse(where, "has arguments of the wrong type")
        return Node(
            op=op,
            args=tuple(self._argument(one, i, where) for one in args),
            kw=tuple((key, self._argument(one, i, where)) for key, one in kw.items()),
        )

    def _argument(self, value: Value, i: int, where: str) -> object:
        try:
            return literal(value, i)
        except ArgumentError as fault:
            self._refuse(where, str(fault))

    def _keys(self, values: dict[str, Value], wanted: set[str], where: str) -> None:
        if extra := sorted(set(values) - wanted):
            self._refuse(where, f"has the unknown key {_shown(extra[0])}")
        if absent := sorted(wanted - set(values)):
            self._refuse(where, f"lacks {absent[0]}")

    def _refuse(self, where: str, what: str) -> NoReturn:
        raise refused(self._source, where, what)


def refused(source: str, where: str, what: str) -> ConfigError:
    """Make the error of a graph that is none, or may not run."""
    return ConfigError(
        f"{source}: {where} {what}",
        todo="make the file anew with medfl-sim graph",
        data="nothing of it ran",
    )


def _shown(value: object) -> str:
    return visible(shorten(repr(value)))[:60]


def sides(shape: Sequence[int]) -> str:
    """Write a shape for people."""
    return " x ".join(map(str, shape)) or "one number"
