"""EfficientNet. Tan, Le. ICML 2019. arXiv:1905.11946."""

from medfl_common.models import MODELS, Backbone
from medfl_common.models._from_torchvision import backbone_of
from medfl_common.plan.images import Images
from medfl_common.plan.reference import Reference

REFERENCE = Reference(
    "Tan, Mingxing and Le, Quoc V.",
    "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    2019,
    "ICML",
    "https://arxiv.org/abs/1905.11946",
)


@MODELS.register("efficientnet_b0")
def efficientnet_b0(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build torchvision's EfficientNet-B0; 4 M weights, 32 pixels or more."""
    return backbone_of("efficientnet_b0", images, norm, is_published, smallest=32)
