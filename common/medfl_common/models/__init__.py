"""The networks that a plan can name, one file per family."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models.adapters import add_adapters
from medfl_common.models.freeze import freeze
from medfl_common.models.network import Network, PixelHead
from medfl_common.plan.graph_files import graph_files
from medfl_common.plan.halves import own_layers
from medfl_common.plan.images import Images
from medfl_common.plan.model_choice import GRAPH, ModelChoice
from medfl_common.plan.own_parts import why_unseen
from medfl_common.plan.plan import Plan
from medfl_common.registry import Registry
from medfl_common.seeds import derive_seed


@dataclass(frozen=True)
class Backbone:
    """A network without its head.

    module: (B, channels, [D,] S, S) -> (B, n_features).
    published: torchvision's name of the weights that fit it; empty: there are none.
    """

    module: nn.Module
    n_features: int
    published: str = ""


@dataclass(frozen=True)
class DenseBackbone:
    """A network for masks or boxes, without its head.

    module: (B, channels, [D,] H, W) -> (B, n_features[0], [D,] H, W), with an `encoder` and a
        `decoder`; in training with deep supervision a list of levels, the finest first.
    n_features: Of the finest level, then of each coarser one that training sees.
    published: torchvision's name of the weights that fit its encoder; empty: there are none.
    """

    module: nn.Module
    n_features: tuple[int, ...]
    published: str = ""


# (images, norm: own | batch | group | none, does it start from published weights?) -> a backbone
Build = Callable[[Images, str, bool], Backbone]
MODELS: Registry[Build] = Registry("model", "medfl_common.models", entry="network")
# (images, the plan's choice, does its encoder start from published weights?) -> a backbone
DenseBuild = Callable[[Images, ModelChoice, bool], DenseBackbone]
DENSE: Registry[DenseBuild] = Registry(
    "segmentation network", "medfl_common.models.dense", entry="dense_network"
)
START_CHANCE = 0.01  # of a fresh detection: that a place is a box's centre
START_SIDE = 1 / 8  # of its boxes, in sides of what the network looks at
_ONE_AT_A_TIME = threading.Lock()


def build_model(plan: Plan) -> Network:
    """Build the plan's network with weights drawn from the seed, the same for the same plan.

    Takes (B, channels, [depth,] size, size) float32, gives (B, n_outputs) logits; of a segmentation
    or detection (B, n_maps, [depth,] size, size).
    Raises ConfigError if the network does not fit the images.
    """
    # torch's layers draw from the one generator of the process; several studies may share that.
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        # The words of a seed stay as they are: other words are other weights in every study.
        torch.manual_seed(derive_seed(plan.seed, "start weights", 0, ""))
        network = _graph(plan) if plan.model.name == GRAPH else _built_in(plan)
        if [*graph_files(plan)]:
            _add_brought(network, plan)
        add_adapters(network, plan.model)  # drawn last: the others' draws stay as they are
    freeze(network, plan.model, own_layers(plan))
    return network


def _add_brought(network: Network, plan: Plan) -> None:
    """Give the network the plan's image step, and see that its loss is one."""
    from medfl_common.models.brought import check_brought, step_of

    check_brought(plan)
    network.step = step_of(plan)


def _built_in(plan: Plan) -> Network:
    return _with_head(build_backbone(plan), plan)


def _graph(plan: Plan) -> Network:
    """Build the network that the plan brings, with medfl's head where it has none of its own."""
    from medfl_common.models.graph import NoPixelHead, graph_backbone, keep_statistics

    module, n_features, needs_head = graph_backbone(plan)
    if needs_head:
        of = DenseBackbone(module, (n_features,)) if plan.task.is_dense else None
        network = _with_head(of or Backbone(module, n_features), plan)
    else:
        head = NoPixelHead() if plan.task.is_dense else nn.Identity()
        network = Network(module, n_features, n_maps(plan), head=head)
    keep_statistics(network)
    return network


def _with_head(backbone: Backbone | DenseBackbone, plan: Plan) -> Network:
    n_outputs, choice = n_maps(plan), plan.model
    if isinstance(backbone, Backbone):
        return Network(
            backbone.module, backbone.n_features, n_outputs, choice.dropout, choice.slices
        )
    head = PixelHead(backbone.n_features, n_outputs, plan.images.dimensions)
    if plan.task.has_boxes:
        _start_unsure(head, plan)
    return Network(backbone.module, backbone.n_features[0], n_outputs, head=head)


def n_maps(plan: Plan) -> int:
    """Count a network's outputs: the task's, and of a detection the side of a box along each axis.

    Their order: a logit per class that a box's centre is here, then log sides in pixels, slices
    first. Zhou, Wang, Kraehenbuehl: Objects as Points. 2019. https://arxiv.org/abs/1904.07850
    """
    return plan.task.n_outputs + plan.images.dimensions * plan.task.has_boxes


def _start_unsure(head: PixelHead, plan: Plan) -> None:
    """Let a fresh detection see nearly nothing anywhere, and boxes of an eighth of its window.

    Else the many places without a centre would be all that the first steps learn from. Lin et al.:
    Focal Loss for Dense Object Detection. ICCV 2017.
    """
    sides = [math.log(side * START_SIDE) for side in plan.images.window]
    low = math.log(START_CHANCE / (1 - START_CHANCE))
    bias = head[0].bias
    assert isinstance(bias, torch.Tensor)
    with torch.no_grad():
        bias.copy_(torch.tensor([low] * plan.task.n_outputs + sides))


def build_backbone(plan: Plan) -> Backbone | DenseBackbone:
    """Build the plan's network without its head, drawing from torch's generator."""
    images, choice = plan.images, plan.model
    if choice.slices is not None:  # the network sees one slice at a time
        flat = {"dimensions": 2, "depth": None, "sample": "image", "slice_mm": None}
        images = images.model_copy(update=flat)
    if reason := why_no_network(plan):
        raise ConfigError(reason)
    is_published = choice.weights in ("imagenet", "kinetics")
    backbone: Backbone | DenseBackbone
    if plan.task.is_dense:
        backbone = DENSE.get(choice.name)(images, choice, is_published)
    else:
        backbone = MODELS.get(choice.name)(images, choice.norm, is_published)
    if is_published and not backbone.published:
        raise ConfigError(
            f"there are no published weights for {choice.encoder or choice.name} with norm "
            f"{choice.norm!r}",
            todo="set model.weights to none or to a file",
        )
    return backbone


def why_no_network(plan: Plan) -> str:
    """Say why the plan's network is none for its task; empty: it is one."""
    name, is_dense = plan.model.name, plan.task.is_dense
    if name == GRAPH:
        return ""
    right, other = (DENSE, MODELS) if is_dense else (MODELS, DENSE)
    known = ", ".join(right.names())
    if not why_unseen(right, name, plan):
        return ""
    if why_unseen(other, name, plan):
        kind = f"{plan.task.type} network" if is_dense else "model"
        return f"unknown {kind} {name!r}; known: {known}{right.offer_of(name)}"
    if is_dense:
        return (
            f"{name} answers for the whole image; for a {plan.task.type} name {known} (unet with "
            f"model.encoder: {name} looks through its layers, where they fit)"
        )
    return f"{name} is for segmentation and detection; for {plan.task.type} name one of {known}"
