"""DenseNet. Huang, Liu, van der Maaten, Weinberger. CVPR 2017, arXiv:1608.06993."""

from medfl_common.models import MODELS, Backbone
from medfl_common.models._from_torchvision import backbone_of
from medfl_common.plan.images import Images


@MODELS.register("densenet121")
def densenet121(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build torchvision's DenseNet-121; 7 M weights, 32 pixels or more."""
    return backbone_of("densenet121", images, norm, is_published, smallest=32)
