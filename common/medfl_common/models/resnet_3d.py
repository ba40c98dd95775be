"""Residual networks for volumes. Tran et al.: A Closer Look at Spatiotemporal Convolutions.

CVPR 2018. https://arxiv.org/abs/1711.11248
"""

from medfl_common.models import MODELS, Backbone
from medfl_common.models._from_torchvision import backbone_of
from medfl_common.plan.images import Images
from medfl_common.plan.reference import Reference

REFERENCE = Reference(
    "Tran, Du and Wang, Heng and Torresani, Lorenzo and Ray, Jamie and LeCun, Yann and Paluri, "
    "Manohar",
    "A Closer Look at Spatiotemporal Convolutions for Action Recognition",
    2018,
    "CVPR",
    "https://arxiv.org/abs/1711.11248",
)


@MODELS.register("r3d_18")
def r3d_18(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build torchvision's 3D ResNet-18 for (B, channels, depth, size, size); 33 M weights."""
    return backbone_of("r3d_18", images, norm, is_published, smallest=16)
