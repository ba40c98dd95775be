"""ConvNeXt. Liu et al.: A ConvNet for the 2020s. CVPR 2022, arXiv:2201.03545."""

from medfl_common.models import MODELS, Backbone
from medfl_common.models._from_torchvision import OWN_LAYER_NORM, backbone_of
from medfl_common.plan.images import Images


@MODELS.register("convnext_tiny")
def convnext_tiny(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build torchvision's ConvNeXt-Tiny; 28 M weights, 32 pixels or more, LayerNorm."""
    return backbone_of(
        "convnext_tiny", images, norm, is_published, smallest=32, own_norm=OWN_LAYER_NORM
    )
