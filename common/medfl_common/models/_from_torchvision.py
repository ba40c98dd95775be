"""torchvision's networks as backbones: channels, norm layers and size by the plan, no head."""

from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models import Backbone
from medfl_common.models.norms import replace_batch_norms
from medfl_common.plan.images import Images

OWN_LAYER_NORM = "layer"  # the family's norm layers are part of its design


def backbone_of(
    name: str,
    images: Images,
    norm: str,
    is_published: bool,
    smallest: int,
    own_norm: str = "batch",
    **options: object,
) -> Backbone:
    """Build torchvision's network `name` without its head.

    Args:
        name: As in torchvision.models.
        images: What it is for.
        norm: The plan's; `own` is the family's where published weights follow, else group.
        is_published: Whether published weights follow.
        smallest: Minimum pixels on a side, or slices and pixels in 3D.
        own_norm: batch or layer.
        options: Passed on to torchvision.
    """
    from torchvision.models import get_model  # 1.6 s to import

    _refuse_unfit(name, images, norm, smallest, own_norm)
    module: nn.Module = get_model(name, weights=None, **options)
    chosen = ("batch" if is_published else "group") if norm == "own" else norm
    if own_norm == "batch":
        replace_batch_norms(module, chosen)
    adapt_channels(module, images.channels)
    n_features = remove_head(module)
    fits = own_norm == OWN_LAYER_NORM or chosen == "batch"
    return Backbone(module, n_features, name if fits else "")


def adapt_channels(module: nn.Module, channels: int) -> None:
    """Replace the first convolution if the images have another number of channels."""
    name, first = next(
        (n, m) for n, m in module.named_modules() if isinstance(m, nn.Conv2d | nn.Conv3d)
    )
    if first.in_channels == channels:
        return
    fresh = type(first)(
        channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )
    _replace(module, name, fresh)


def remove_head(module: nn.Module) -> int:
    """Remove the last dense layer, every classifier's head; return its number of inputs."""
    name, head = [(n, m) for n, m in module.named_modules() if isinstance(m, nn.Linear)][-1]
    _replace(module, name, nn.Identity())
    return head.in_features


def _replace(module: nn.Module, name: str, other: nn.Module) -> None:
    parent, _, key = name.rpartition(".")
    setattr(module.get_submodule(parent), key, other)


def _refuse_unfit(name: str, images: Images, norm: str, smallest: int, own_norm: str) -> None:
    is_volume_net = name.startswith("r3d")
    if (images.dimensions == 3) != is_volume_net:
        takes, has = ("volumes", "pictures") if is_volume_net else ("pictures", "volumes")
        advice = "" if is_volume_net else "; model.slices: mean looks at each slice of a volume"
        raise ConfigError(f"{name} takes {takes}, the plan has {has}{advice}")
    if own_norm == OWN_LAYER_NORM and norm != "own":
        raise ConfigError(f"{name} has norm layers of its own kind", todo="leave model.norm out")
    if norm == "none" and name != "vgg16":
        raise ConfigError(
            f"{name} does not train without a norm layer", todo="leave model.norm out"
        )
    if images.size < smallest:
        raise ConfigError(f"{name} needs {smallest} pixels on a side, images.size is {images.size}")
