"""The networks that a plan can name, one file per family."""

from collections.abc import Callable

import torch
from torch import nn

from medfl_common.plan import Images, Plan
from medfl_common.registry import Registry
from medfl_common.seeds import derive_seed

# (images, n_outputs, norm) -> a module from (B, channels, [depth,] size, size) to (B, n_outputs)
Build = Callable[[Images, int, str], nn.Module]
MODELS: Registry[Build] = Registry("model", "medfl_common.models")


def build_model(plan: Plan) -> nn.Module:
    """Build the plan's network with its start weights, the same for the same plan.

    Takes (B, channels, [depth,] size, size) float32, gives (B, n_outputs) logits.
    Raises ConfigError where the network does not fit the images.
    """
    build = MODELS.get(plan.model.name)
    with torch.random.fork_rng(devices=[]):  # torch's layers draw from the global generator
        torch.manual_seed(derive_seed(plan.seed, "start weights", 0, ""))
        return build(plan.images, plan.task.n_outputs, plan.model.norm)
