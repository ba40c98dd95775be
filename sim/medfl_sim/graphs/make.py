"""From the author's module to the two files of a plan: the graph and its first weights."""

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save
from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.models.graphs.reading import sides
from medfl_sim.graphs.check import Checked, check
from medfl_sim.graphs.describe import CUT, Described, describe
from medfl_sim.graphs.norms import count_batch_norms, replace_norms

Say = Callable[[str], None]
LEAST, MOST_AXES = 3, 4  # an image: channels, [depth,] height, width


@dataclass(frozen=True)
class GraphFiles:
    """The two files of a graph, and their hashes as a plan names them."""

    graph: Path
    weights: Path
    graph_sha256: str
    weights_sha256: str

    @property
    def model(self) -> dict[str, object]:
        """Return the plan's `model` section, for `simulate` in the same working folder."""
        weights = {"file": self.weights.as_posix(), "sha256": self.weights_sha256}
        return {
            "name": "graph",
            "file": self.graph.as_posix(),
            "sha256": self.graph_sha256,
            "weights": weights,
        }


def make_graph(
    module: nn.Module,
    shape: Sequence[int],
    out: Path,
    whole: bool = False,
    norm: str = "group",
    say: Say = print,
    kept: Path | None = None,
) -> GraphFiles:
    """Describe a module, check the description beside it, and write both files.

    Args:
        module: (B, *shape) float32 -> (B, n_outputs), or (B, n_outputs, [D,] H, W).
        shape: Of one image: channels, [depth,] height, width.
        out: The graph's file, .json; the weights lie beside it as .safetensors.
        whole: Keep the last layer in the graph; else medfl's head takes its place.
        norm: `group` replaces batch norms, `batch` keeps them.
        say: Takes one line per event.
        kept: A file that must not be written over: the author's own weights.
    """
    weights = _weights_beside(out, kept)
    described = describe(module, shape, "logits" if whole else "", norm)
    twin = copy.deepcopy(module).cpu()
    replace_norms(twin, norm)
    checked = check(described, twin, shape)
    for line in (*_norms_in_words(module, norm), *_head_in_words(checked), *_size(checked)):
        say(line)
    say(checked.in_words)
    files = _written(out, weights, described)
    say(f"wrote {out} and {weights}")
    return files


def image_shape(given: str) -> tuple[int, ...]:
    """Read `1,224,224`: channels, [depth,] height, width."""
    parts = given.split(",")
    is_shape = LEAST <= len(parts) <= MOST_AXES and all(p.strip().isdecimal() for p in parts)
    shape = tuple(int(part) for part in parts) if is_shape else ()
    if not shape or min(shape) < 1:
        raise ConfigError(
            f"{given!r} is no image's shape",
            todo="give channels, height and width as in 1,224,224, or 1,32,64,64 with slices",
        )
    return shape


def _weights_beside(out: Path, kept: Path | None) -> Path:
    """Name the weights' file; raises ConfigError where a file that no graph is would be lost."""
    if out.suffix != ".json":
        raise ConfigError(f"{out} does not end in .json", todo="name it as in my_net.json")
    if not out.resolve().parent.is_dir():
        raise ConfigError(f"there is no folder {out.resolve().parent}", todo="make it first")
    weights = out.with_suffix(".safetensors")
    is_graph = out.exists() and b'"medfl_graph"' in out.read_bytes()
    lost = next((p for p in (out, weights) if p.exists() and not is_graph), None)
    if kept is not None and weights.exists() and kept.samefile(weights):
        lost = weights
    if lost is not None:
        raise ConfigError(f"{lost} is there, and no graph's", todo="choose another --out")
    return weights


def _written(out: Path, weights: Path, described: Described) -> GraphFiles:
    packed = save(described.weights)
    write_atomic(out, described.data)
    write_atomic(weights, packed)
    hashes = [hashlib.sha256(one).hexdigest() for one in (described.data, packed)]
    return GraphFiles(out, weights, *hashes)


def _norms_in_words(module: nn.Module, norm: str) -> Iterator[str]:
    n_norms = count_batch_norms(module)
    if n_norms and norm == "group":
        yield (
            f"{n_norms} batch norms are group norms now, which keep nothing of a site's images; "
            "their weights are the batch norms' (--norm batch keeps those)"
        )
    elif n_norms:
        yield (
            f"{n_norms} batch norms keep running means of a site's images; in a graph these stay "
            "at each site"
        )


def _head_in_words(checked: Checked) -> Iterator[str]:
    graph = checked.graph
    if graph.gives in CUT:
        kind = "dense layer" if graph.gives == "features" else "1x1 convolution"
        yield (
            f"the last {kind} is medfl's head now, over {graph.output[0]} {graph.gives}, with as "
            "many outputs as the plan's task has (--whole keeps it in the graph)"
        )
    else:
        yield f"the graph gives the logits itself: {sides(graph.output)} for each image"


def _size(checked: Checked) -> Iterator[str]:
    graph = checked.graph
    operators = {node.op for node in graph.train.nodes if node.op}
    n_calls = sum(bool(node.op) for node in graph.train.nodes)
    yield (
        f"{n_calls} step{'s' * (n_calls != 1)} of {len(operators)} "
        f"operator{'s' * (len(operators) != 1)} in training, "
        f"{graph.n_parameters:,} parameters before medfl's head"
    )
