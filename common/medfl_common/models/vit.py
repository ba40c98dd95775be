"""Vision Transformers. Dosovitskiy et al. ICLR 2021. arXiv:2010.11929."""

from medfl_common.errors import ConfigError
from medfl_common.models import MODELS, Backbone
from medfl_common.models._from_torchvision import (
    OWN_LAYER_NORM,
    adapt_channels,
    backbone_of,
    remove_head,
)
from medfl_common.plan.images import Images
from medfl_common.plan.reference import Reference

REFERENCE = Reference(
    "Dosovitskiy, Alexey and Beyer, Lucas and Kolesnikov, Alexander and others",
    "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
    2021,
    "ICLR",
    "https://arxiv.org/abs/2010.11929",
)

PATCH = 16  # pixels on a side of a patch


@MODELS.register("vit_b_16")
def vit_b_16(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build torchvision's ViT-B/16; 86 M weights, a size that 16 divides, LayerNorm."""
    _refuse_uneven("vit_b_16", images)
    return backbone_of(
        "vit_b_16",
        images,
        norm,
        is_published,
        smallest=32,
        own_norm=OWN_LAYER_NORM,
        image_size=images.size,
    )


@MODELS.register("vit_tiny_16")
def vit_tiny_16(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build a ViT with 3 heads of 64; 6 M weights, a size that 16 divides, LayerNorm.

    The tiny one of Touvron et al.: Data-efficient image transformers. ICML 2021.
    """
    from torchvision.models import VisionTransformer  # 1.6 s to import

    _refuse_uneven("vit_tiny_16", images)
    if images.dimensions == 3 or norm != "own":
        raise ConfigError("vit_tiny_16 takes images and has LayerNorm", todo="leave model.norm out")
    module = VisionTransformer(
        image_size=images.size,
        patch_size=PATCH,
        num_layers=12,
        num_heads=3,
        hidden_dim=192,
        mlp_dim=768,
    )
    adapt_channels(module, images.channels)
    return Backbone(module, remove_head(module))


def _refuse_uneven(name: str, images: Images) -> None:
    if images.size % PATCH:
        raise ConfigError(
            f"{name} cuts patches of {PATCH} pixels; images.size {images.size} is no multiple of it"
        )
