"""What a hostile coordinator may write into a graph, and what the hospital says of it."""

import copy
from typing import Any

import pytest
from tests.unit.common.graphs.small_graphs import Residual, text, values, whole

from medfl_common.errors import ConfigError
from medfl_common.models.graphs.lifting import lift
from medfl_common.models.graphs.measure import measure
from medfl_common.models.graphs.network import GraphNetwork
from medfl_common.models.graphs.reading import read_graph

GOOD = values(whole(Residual(), 1, 8, 8))
IMAGE = next(i for i, node in enumerate(GOOD["train"]["nodes"]) if "input" in node)
NORM = next(
    i for i, n in enumerate(GOOD["train"]["nodes"]) if n.get("op") == "aten.batch_norm.default"
)
EVAL_NORM = next(
    i for i, n in enumerate(GOOD["eval"]["nodes"]) if n.get("op") == "aten.batch_norm.default"
)
MEAN = GOOD["train"]["nodes"][NORM]["args"][3]["node"]
Json = dict[str, Any]


def checked(data: bytes) -> None:
    """Do what a hospital does before it computes a number."""
    measure(read_graph(data))


def extra(*nodes: Json) -> Json:
    """Put nodes behind the good ones, in training; `-k` counts from the first of them."""
    graph = copy.deepcopy(GOOD)
    graph["train"]["nodes"] += nodes
    return graph


def op(name: str, *args: object, **kw: object) -> Json:
    return {"op": name, "args": [*args], **({"kw": kw} if kw else {})}


def of(i: int) -> Json:
    return {"node": i}


def changed(*path: str | int, to: object) -> Json:
    graph = copy.deepcopy(GOOD)
    at: Any = graph
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = to
    return graph


def named(name: str) -> Json:
    graph = copy.deepcopy(GOOD)
    graph["tensors"] = {name: {"kind": "parameter", "shape": [2]}, **graph["tensors"]}
    return graph


def many_rooms() -> Json:
    graph = copy.deepcopy(GOOD)
    for k in range(1000):
        name = f"x{k}." + ".".join("a" * 90)
        graph["tensors"][name] = {"kind": "parameter", "shape": [1]}
    return graph


def norm_args(**given: object) -> Json:
    args = [*GOOD["train"]["nodes"][NORM]["args"]]
    for key, value in given.items():
        args[int(key[1:])] = value
    return changed("train", "nodes", NORM, "args", to=args)


N = len(GOOD["train"]["nodes"])
ATTACKS: dict[str, tuple[Json, str]] = {
    "a file is opened": (extra(op("os.system", 1)), "operator os.system, which is not on"),
    "a file is made by torch": (extra(op("aten.from_file.default", 1)), "not on the list"),
    "memory is seen through": (extra(op("aten.as_strided.default", of(0))), "not on the list"),
    "an attribute is called": (extra(op("aten.__class__.default", of(0))), "not on the list"),
    "a dunder is a name": (named("conv.__class__"), "has no name of letters"),
    "a name hides a method": (named("forward"), "has a name that is taken"),
    "a name hides a room": (named("_parameters.weight"), "has a name that is taken"),
    "a name hides a layer's method": (named("conv.forward"), "has a name that is taken"),
    "the image is written over": (extra(op("aten.relu_.default", of(IMAGE))), "into the image"),
    "a weight is written over": (extra(op("aten.add_.Tensor", of(0), of(IMAGE))), "writes into"),
    "a view of a weight is written over": (
        extra(op("aten.view.default", of(0), [-1]), op("aten.fill_.Scalar", of(N), 1.0)),
        "writes into",
    ),
    "a view of the image is written over": (
        extra(op("aten.select.int", of(IMAGE), 0, 0), op("aten.relu_.default", of(N))),
        "writes into the image",
    ),
    "dropout that rests hands the image on": (
        extra(op("aten.dropout.default", of(IMAGE), 0.0, False), op("aten.relu_.default", of(N))),
        "writes into the image",
    ),
    "pixels are added to a statistic": (
        extra(op("aten.add_.Tensor", of(MEAN), of(IMAGE))),
        "writes into norm.running_mean",
    ),
    "a statistic is read": (extra(op("aten.mul.Tensor", of(MEAN), 2.0)), "uses the statistic"),
    "two norms share a statistic": (extra(GOOD["train"]["nodes"][NORM]), "as node"),
    "a norm keeps the last batch": (norm_args(_6=1.0), "momentum 1.0, not between 0 and 1"),
    "a norm writes into a weight": (norm_args(_3=of(0)), "running statistics are none"),
    "a norm writes into the image": (norm_args(_3=of(IMAGE)), "running statistics are none"),
    "a norm has one statistic": (norm_args(_4=of(MEAN)), "one statistic for both"),
    "four terabytes of weights": (
        changed("tensors", "conv.weight", "shape", to=[2**20, 2**20]),
        "elements",
    ),
    "four terabytes on the way": (
        extra(op("aten.repeat.default", of(IMAGE), [1, 2**10, 2**10, 2**10])),
        "takes the values of one image beyond",
    ),
    "values that grow with the batch's power": (
        extra(
            op("aten.sym_size.int", of(IMAGE), 0),
            op("sym.mul", of(N), of(N)),
            op("sym.mul", of(N + 1), of(N + 1)),
            op("aten.zeros.default", [of(N + 2)]),
        ),
        "takes the values of one image beyond",
    ),
    "whole numbers without end": (
        extra(
            op("aten.sym_size.int", of(IMAGE), 0),
            *(op("sym.mul", of(N + k), of(N + k)) for k in range(60)),
        ),
        "does not run",
    ),
    "a circle": (
        changed("train", "nodes", NORM, "args", 0, to=of(NORM)),
        "names node",
    ),
    "a node of the future": (extra(op("aten.relu.default", of(N + 5))), "does not come before"),
    "another version": (changed("medfl_graph", to=2), "has version 2, not 1"),
    "a version that is true": (changed("medfl_graph", to=True), "has version True, not 1"),
    "a size as text": (
        extra(op("aten.zeros.default", ["__import__('os').system('id')"])),
        "has the word",
    ),
    "a shape as text": (changed("output", to=["s0*2"]), "has a side of"),
    "a number of 5,000 digits": (changed("output", to=[10**39]), "has a side of"),
    "a list in lists": (extra(op("aten.cat.default", [[[[[of(0)]]]]])), "too long or too deep"),
    "an unknown keyword": (
        extra(op("aten.relu.default", of(IMAGE), out=of(0))),
        "the unknown keyword out",
    ),
    "the answer is a weight": (changed("train", "output", to=0), "gives a weight"),
    "the answer has another shape": (changed("train", "output", to=IMAGE), "gives"),
    "a type is a number": (extra(op("aten.softmax.int", of(IMAGE), 0, -1)), "-1 as a type"),
    "a type of 64 bits is a number": (
        extra(op("aten.zeros.default", [2], dtype=7)),
        "7 as a type or format",
    ),
    "a norm learns while it is scored": (
        changed("eval", "nodes", EVAL_NORM, "args", 5, to=True),
        "changes its statistics outside training",
    ),
    "a billion views": (
        extra(
            op("aten.zeros.default", [1]),
            op("aten.expand.default", of(N), [2**28]),
            op("aten.unbind.int", of(N + 1)),
        ),
        "does not run",
    ),
    "a million views": (
        extra(
            op("aten.zeros.default", [4096]),
            *(op("aten.unbind.int", of(N)) for _ in range(250)),
        ),
        "makes more than 100000 parts",
    ),
    "a million rooms": (many_rooms(), "levels in all"),
    "a pair that nobody takes": (
        extra(op("aten.adaptive_max_pool2d.default", of(IMAGE), [2**15, 2**16])),
        "takes the values of one image beyond",
    ),
    "whole numbers divided": (
        extra(
            op("aten.to.dtype", of(IMAGE), {"dtype": "int64"}),
            op("aten.div.Tensor_mode", of(N), of(N), rounding_mode="trunc"),
        ),
        "does not run",
    ),
    "as many values as pixels are bright": (
        extra(op("aten.gt.Scalar", of(IMAGE), 0.5), op("aten.index.Tensor", of(IMAGE), [of(N)])),
        "does not run",
    ),
    "an escape sequence": (extra(op("\x1b]52;c;evil\x07", of(0))), r"\x1b"),
}


def test_the_good_graph_is_taken() -> None:
    checked(text(GOOD))


@pytest.mark.parametrize("name", ATTACKS)
def test_each_is_refused_with_what_is_wrong_and_where(name: str) -> None:
    graph, words = ATTACKS[name]
    with pytest.raises(ConfigError) as caught:
        checked(text(graph))
    assert words in str(caught.value)
    assert any(
        where in str(caught.value) for where in ("node", "tensor", "output", "train", "file")
    )
    assert "nothing of it ran" in str(caught.value)
    assert "Error" not in str(caught.value)


def test_a_kernel_that_never_changes_is_no_layer_and_runs() -> None:
    facts = {"kind": "constant", "dtype": "float32", "shape": [4, 1, 3, 3], "values": [0] * 36}
    graph = read_graph(text(changed("tensors", "conv.weight", to=facts)))

    measure(graph)

    assert "conv" not in lift(graph)
    assert "conv.weight" not in GraphNetwork(graph).state_dict()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"medfl_graph": 1, "medfl_graph": 1}', "has a key twice"),
        (b'{"medfl_graph": NaN}', "which is no number"),
        (b"[" * 100_000, "nests more than"),
        (b'{"medfl_graph": ' + b"9" * 5000 + b"}", "digits"),
        (b"\x80\x04K\x01.", "not UTF-8"),
        (b"PK\x03\x04", "not valid JSON"),
        (b"", "not valid JSON"),
    ],
    ids=["a key twice", "NaN", "depth", "digits", "a pickle", "an archive", "nothing"],
)
def test_what_is_no_graph_file_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        checked(data)
