"""Inception v3. Szegedy et al.: Rethinking the Inception Architecture. CVPR 2016."""

from medfl_common.models import MODELS, Backbone
from medfl_common.models._from_torchvision import backbone_of
from medfl_common.plan.images import Images
from medfl_common.plan.reference import Reference

REFERENCE = Reference(
    "Szegedy, Christian and Vanhoucke, Vincent and Ioffe, Sergey and Shlens, Jonathon and Wojna, "
    "Zbigniew",
    "Rethinking the Inception Architecture for Computer Vision",
    2016,
    "CVPR",
    "https://arxiv.org/abs/1512.00567",
)


@MODELS.register("inception_v3")
def inception_v3(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build torchvision's Inception v3 without its auxiliary head; 22 M weights, 75 pixels."""
    return backbone_of(
        "inception_v3",
        images,
        norm,
        is_published,
        smallest=75,
        aux_logits=False,
        transform_input=False,
        init_weights=True,
    )
