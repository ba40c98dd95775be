"""Residual networks. He, Zhang, Ren, Sun: Deep Residual Learning. CVPR 2016."""

from torch import nn

from medfl_common.models import MODELS, Backbone
from medfl_common.models._from_torchvision import backbone_of
from medfl_common.plan.images import Images
from medfl_common.plan.reference import Reference

REFERENCE = Reference(
    "He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing and Sun, Jian",
    "Deep Residual Learning for Image Recognition",
    2016,
    "CVPR",
    "https://arxiv.org/abs/1512.03385",
)


@MODELS.register("resnet18")
def resnet18(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build torchvision's ResNet-18; 11 M weights, 32 pixels or more."""
    return backbone_of("resnet18", images, norm, is_published, smallest=32)


@MODELS.register("resnet18_small")
def resnet18_small(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build ResNet-18 for small images: a first layer of 3 x 3 that keeps the size, no pooling.

    So for CIFAR in the paper, and for 28 pixels in MedMNIST v2 (Yang et al., Sci Data 10:41, 2023).
    """
    backbone = backbone_of("resnet18", images, norm, is_published, smallest=16)
    backbone.module.conv1 = nn.Conv2d(images.channels, 64, 3, padding=1, bias=False)
    backbone.module.maxpool = nn.Identity()
    return Backbone(backbone.module, backbone.n_features)


@MODELS.register("resnet50")
def resnet50(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build torchvision's ResNet-50; 24 M weights, 32 pixels or more."""
    return backbone_of("resnet50", images, norm, is_published, smallest=32)
