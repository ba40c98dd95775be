"""DenseNet. Huang, Liu, van der Maaten, Weinberger. CVPR 2017, arXiv:1608.06993."""

from medfl_common.models import MODELS, Backbone
from medfl_common.models._from_torchvision import backbone_of
from medfl_common.plan.images import Images
from medfl_common.plan.reference import Reference

REFERENCE = Reference(
    "Huang, Gao and Liu, Zhuang and van der Maaten, Laurens and Weinberger, Kilian Q.",
    "Densely Connected Convolutional Networks",
    2017,
    "CVPR",
    "https://arxiv.org/abs/1608.06993",
)


@MODELS.register("densenet121")
def densenet121(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build torchvision's DenseNet-121; 7 M weights, 32 pixels or more."""
    return backbone_of("densenet121", images, norm, is_published, smallest=32)
