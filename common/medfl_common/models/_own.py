"""A network that somebody else wrote, as a backbone: it gives features, and medfl adds the head."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models import Backbone, Build, DenseBackbone, DenseBuild
from medfl_common.models.norms import replace_batch_norms
from medfl_common.plan.images import Images
from medfl_common.plan.model_choice import ModelChoice

# Makes the module, from nothing or from the plan's section on images.
Make = Callable[..., nn.Module]


def own_network(name: str, make: Make) -> Build:
    """Make the builder of a network (B, C, [D,] H, W) -> (B, features)."""

    def build(images: Images, norm: str, is_published: bool) -> Backbone:
        module = _made(make, images, norm)
        shape = _output(name, module, images)
        if len(shape) != 2:
            raise ConfigError(
                f"the network {name} gives {shape} for 2 images, not (2, features)",
                todo="let it give features; medfl adds the last layer",
            )
        return Backbone(module, shape[1])

    return build


def own_dense_network(name: str, make: Make) -> DenseBuild:
    """Make the builder of a network (B, C, [D,] H, W) -> (B, features, [D,] H, W)."""

    def build(images: Images, choice: ModelChoice, is_published: bool) -> DenseBackbone:
        module = _Whole(_made(make, images, choice.norm))
        shape = _output(name, module, images)
        if len(shape) != 2 + images.dimensions or shape[2:] != tuple(images.window):
            raise ConfigError(
                f"the network {name} gives {shape} for 2 images of {tuple(images.window)}, not "
                f"(2, features) of each place",
                todo="let it give maps as large as the image; medfl adds the last layer",
            )
        return DenseBackbone(module, (shape[1],))

    return build


class _Whole(nn.Module):
    """A dense network that is all encoder."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Turn (B, C, [D,] H, W) into (B, features, [D,] H, W)."""
        maps: torch.Tensor = self.encoder(pixels)
        return maps


def _made(make: Make, images: Images, norm: str) -> nn.Module:
    """Build the module, with the plan's norm layers in place of its BatchNorms."""
    module = make(images) if _takes_images(make) else make()
    if not isinstance(module, nn.Module):
        raise ConfigError(f"a network is {type(module).__name__}, not a torch module")
    if norm != "own":
        replace_batch_norms(module, norm)
    return module


def _takes_images(make: Make) -> bool:
    """Say whether a factory needs the plan's section on images."""
    parameters = inspect.signature(make).parameters.values()
    needed = [p for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    return bool(needed)


def _output(name: str, module: nn.Module, images: Images) -> tuple[int, ...]:
    """Try the network on 2 black images; its weights and torch's generator stay as they are."""
    like = next(module.parameters(), torch.zeros(()))
    pixels = torch.zeros(2, images.channels, *images.window, device=like.device)
    was_training = module.training
    try:
        with torch.no_grad():
            found: Any = module.eval()(pixels)
    except RuntimeError as error:
        raise ConfigError(
            f"the network {name} does not take images {tuple(pixels.shape[1:])}: {error}",
            todo="set images.size and channels to what it takes",
        ) from error
    finally:
        module.train(was_training)
    if not isinstance(found, torch.Tensor):
        raise ConfigError(f"the network {name} gives {type(found).__name__}, not a tensor")
    return tuple(found.shape)
