"""VGG. Simonyan, Zisserman: Very Deep Convolutional Networks. ICLR 2015."""

from medfl_common.models import MODELS, Backbone
from medfl_common.models._from_torchvision import backbone_of
from medfl_common.plan.images import Images
from medfl_common.plan.reference import Reference

REFERENCE = Reference(
    "Simonyan, Karen and Zisserman, Andrew",
    "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    2015,
    "ICLR",
    "https://arxiv.org/abs/1409.1556",
)


@MODELS.register("vgg16")
def vgg16(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build torchvision's VGG16; 134 M weights, 32 pixels or more.

    The published network has no norm layers; `batch` and `group` put one after each convolution.
    """
    if norm == "none" or (norm == "own" and is_published):
        return backbone_of("vgg16", images, "none", is_published, smallest=32, own_norm="none")
    return backbone_of("vgg16_bn", images, norm, is_published, smallest=32)
