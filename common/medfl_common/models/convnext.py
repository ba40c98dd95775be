"""ConvNeXt. Liu et al.: A ConvNet for the 2020s. CVPR 2022, arXiv:2201.03545."""

from medfl_common.models import MODELS, Backbone
from medfl_common.models._from_torchvision import OWN_LAYER_NORM, backbone_of
from medfl_common.plan.images import Images
from medfl_common.plan.reference import Reference

REFERENCE = Reference(
    "Liu, Zhuang and Mao, Hanzi and Wu, Chao-Yuan and Feichtenhofer, Christoph and Darrell, "
    "Trevor and Xie, Saining",
    "A ConvNet for the 2020s",
    2022,
    "CVPR",
    "https://arxiv.org/abs/2201.03545",
)


@MODELS.register("convnext_tiny")
def convnext_tiny(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build torchvision's ConvNeXt-Tiny; 28 M weights, 32 pixels or more, LayerNorm."""
    return backbone_of(
        "convnext_tiny", images, norm, is_published, smallest=32, own_norm=OWN_LAYER_NORM
    )
