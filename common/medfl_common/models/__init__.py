"""The networks that a plan can name, one file per family."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models.freeze import freeze
from medfl_common.models.network import Network
from medfl_common.plan.halves import own_layers
from medfl_common.plan.images import Images
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


# (images, norm: own | batch | group | none, does it start from published weights?) -> a backbone
Build = Callable[[Images, str, bool], Backbone]
MODELS: Registry[Build] = Registry("model", "medfl_common.models")
_ONE_AT_A_TIME = threading.Lock()


def build_model(plan: Plan) -> Network:
    """Build the plan's network with weights drawn from the seed, the same for the same plan.

    Takes (B, channels, [depth,] size, size) float32, gives (B, n_outputs) logits.
    Raises ConfigError if the network does not fit the images.
    """
    # torch's layers draw from the one generator of the process; several studies may share that.
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        # The words of a seed stay as they are: other words are other weights in every study.
        torch.manual_seed(derive_seed(plan.seed, "start weights", 0, ""))
        backbone = build_backbone(plan)
        network = Network(
            backbone.module,
            backbone.n_features,
            plan.task.n_outputs,
            plan.model.dropout,
            plan.model.slices,
        )
    freeze(network, plan.model, own_layers(plan))
    return network


def build_backbone(plan: Plan) -> Backbone:
    """Build the plan's network without its head, drawing from torch's generator."""
    images, choice = plan.images, plan.model
    if choice.slices is not None:  # the network sees one slice at a time
        flat = {"dimensions": 2, "depth": None, "sample": "image", "slice_mm": None}
        images = images.model_copy(update=flat)
    is_published = choice.weights in ("imagenet", "kinetics")
    backbone = MODELS.get(choice.name)(images, choice.norm, is_published)
    if is_published and not backbone.published:
        raise ConfigError(
            f"there are no published weights for {choice.name} with norm {choice.norm!r}",
            todo="set model.weights to none or to a file",
        )
    return backbone
