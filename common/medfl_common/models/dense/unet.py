"""U-Net. Ronneberger, Fischer, Brox. MICCAI 2015; in 3D and by strides as nnU-Net, 2021."""

from math import prod

from medfl_common.errors import ConfigError
from medfl_common.models import DENSE, MODELS, DenseBackbone
from medfl_common.models.dense._blocks import TwoConvolutions, step_up
from medfl_common.models.dense._resolutions import Resolution, resolutions
from medfl_common.models.dense._segmenter import Decoder, Segmenter, Stages
from medfl_common.models.dense._tapped import ENCODERS, Sides, Tapped
from medfl_common.plan.images import Images
from medfl_common.plan.model_choice import ModelChoice
from medfl_common.plan.reference import Reference

REFERENCE = Reference(
    "Ronneberger, Olaf and Fischer, Philipp and Brox, Thomas",
    "U-Net: Convolutional Networks for Biomedical Image Segmentation",
    2015,
    "MICCAI",
    "https://arxiv.org/abs/1505.04597",
)

WIDTH = 16  # channels of the finest level where the plan says nothing
MOST = 320  # channels of a level, as in nnU-Net


@DENSE.register("unet")
def unet(images: Images, choice: ModelChoice, is_published: bool) -> DenseBackbone:
    """Build a U-Net in 2D or 3D, `model.width` channels wide; `model.encoder`: another's layers.

    Without `model.levels` the coarsest has 8 to 15 pixels on a side, and there are 2 to 6. Its own
    norm is group.
    """
    width = choice.width or WIDTH
    if choice.encoder is not None:
        return _with_encoder(choice.encoder, images, choice, is_published, width)
    levels = resolutions(images, choice)
    norm = _norm(choice)
    widths = [min(width * 2**i, MOST) for i in range(len(levels))]
    both = zip([images.channels, *widths[:-1]], widths, levels, strict=True)
    stages = [TwoConvolutions(a, b, level, norm, choice.residual) for a, b, level in both]
    decoder = _decoder(widths, widths[:-1], levels, choice)
    return _joined(Stages(stages), decoder, widths[:-1], [1] * len(images.window), choice)


def _with_encoder(
    name: str, images: Images, choice: ModelChoice, is_published: bool, width: int
) -> DenseBackbone:
    if name not in ENCODERS:
        raise ConfigError(
            f"{name} cannot be the encoder of unet",
            todo=f"name one of {', '.join(ENCODERS)}, or leave model.encoder out",
        )
    if (images.dimensions == 3) != (name == "r3d_18"):
        raise ConfigError(
            f"the encoder {name} does not fit images.dimensions: {images.dimensions}",
            todo="leave model.encoder out, or name r3d_18 for volumes and another for pictures",
        )
    if choice.levels is not None:
        raise ConfigError(f"{name} brings its own levels", todo="leave model.levels out")
    found = MODELS.get(name)(images, choice.norm, is_published)
    encoder = Tapped(found.module, images)
    levels = [Resolution(stride, (3,) * images.dimensions) for stride in encoder.strides]
    widths = [min(width * 2**i, MOST) for i in range(len(levels) - 1)]
    decoder = _decoder(encoder.channels, widths, levels, choice)
    multiple = [prod(sides) for sides in zip(*encoder.strides, strict=True)]
    return _joined(encoder, decoder, widths, multiple, choice, found.published)


def _decoder(
    across: list[int], widths: list[int], levels: list[Resolution], choice: ModelChoice
) -> Decoder:
    """Build it: `across` are the encoder's channels of each level, `widths` those it gives."""
    ups, blocks = [], []
    for i, width in enumerate(widths):
        below = [*widths, across[-1]][i + 1]
        once: Sides = (1,) * len(levels[i].stride)
        ups.append(step_up(below, width, levels[i + 1].stride))
        level = Resolution(once, levels[i].kernel)
        blocks.append(
            TwoConvolutions(width + across[i], width, level, _norm(choice), choice.residual)
        )
    return Decoder(ups, blocks)


def _joined(
    encoder: Stages | Tapped,
    decoder: Decoder,
    widths: list[int],
    multiple: list[int],
    choice: ModelChoice,
    published: str = "",
) -> DenseBackbone:
    n_coarser = len(widths) - 1 if choice.deep_supervision else 0
    module = Segmenter(encoder, decoder, multiple, n_coarser)
    return DenseBackbone(module, tuple(widths[: 1 + n_coarser]), published)


def _norm(choice: ModelChoice) -> str:
    """Name the norm of what is drawn from the seed."""
    return "group" if choice.norm == "own" else choice.norm
