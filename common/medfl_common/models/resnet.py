"""Residual networks. He, Zhang, Ren, Sun: Deep Residual Learning. CVPR 2016."""

from functools import partial

from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models import MODELS
from medfl_common.models.norms import norm_layer
from medfl_common.plan import Images


@MODELS.register("resnet18")
def resnet18(images: Images, n_outputs: int, norm: str) -> nn.Module:
    """Build torchvision's ResNet-18 for (B, channels, size, size), size >= 32; 11 M weights."""
    size, channels = images.size, images.channels
    if images.dimensions == 3:
        raise ConfigError("resnet18 takes pictures, the plan has volumes; small_cnn takes both")
    if norm == "none":
        raise ConfigError("resnet18 does not train without a norm layer; set model.norm to group")
    if size < 32:
        raise ConfigError(f"resnet18 halves the picture five times; images.size {size} is below 32")
    from torchvision.models import resnet18 as torchvision_resnet18  # 1.6 s to import

    model: nn.Module = torchvision_resnet18(
        num_classes=n_outputs, norm_layer=partial(norm_layer, norm)
    )
    if channels != 3:
        model.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return model
