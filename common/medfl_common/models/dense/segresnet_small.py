"""SegResNet. Myronenko: 3D MRI Brain Tumor Segmentation Using Autoencoder Regularization. 2018.

BrainLes at MICCAI 2018, https://arxiv.org/abs/1810.11654; without its autoencoder.
"""

from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models import DENSE, DenseBackbone
from medfl_common.models.dense._blocks import NormFirst, Sides, convolution, step_up
from medfl_common.models.dense._resolutions import Resolution, resolutions
from medfl_common.models.dense._segmenter import Decoder, Segmenter, Stages
from medfl_common.models.norms import norm_layer
from medfl_common.plan.images import Images
from medfl_common.plan.model_choice import ModelChoice
from medfl_common.plan.reference import Reference

REFERENCE = Reference(
    "Myronenko, Andriy",
    "3D MRI Brain Tumor Segmentation Using Autoencoder Regularization",
    2018,
    "BrainLes at MICCAI",
    "https://arxiv.org/abs/1810.11654",
)

WIDTH = 8  # the paper's is 32
BLOCKS = (1, 2, 2, 4)  # of each level; more levels have the last number


@DENSE.register("segresnet_small")
def segresnet_small(images: Images, choice: ModelChoice, is_published: bool) -> DenseBackbone:
    """Build the paper's residual encoder and one block a level up, 8 channels wide, not 32.

    In 2D and 3D; levels as in `unet`, its own norm is group. Steps up are transposed convolutions.
    """
    if choice.encoder is not None or choice.residual:
        raise ConfigError(
            "model.encoder and model.residual belong to unet",
            todo="leave them out: segresnet_small has an encoder of its own, and is residual",
        )
    levels = resolutions(images, choice)
    norm = "group" if choice.norm == "own" else choice.norm
    widths = [(choice.width or WIDTH) * 2**i for i in range(len(levels))]
    stages = [
        _stage(n_in, widths[i], levels[i], norm, BLOCKS[min(i, len(BLOCKS) - 1)])
        for i, n_in in enumerate([images.channels, *widths[:-1]])
    ]
    n_coarser = len(levels) - 2 if choice.deep_supervision else 0
    module = Segmenter(
        Stages(stages), _decoder(widths, levels, norm), [1] * len(images.window), n_coarser
    )
    return DenseBackbone(module, tuple(widths[: 1 + n_coarser]))


def _stage(n_in: int, n_out: int, level: Resolution, norm: str, n_blocks: int) -> nn.Module:
    down = convolution(n_in, n_out, level.kernel, level.stride, bias=norm == "none")
    return nn.Sequential(down, *(NormFirst(n_out, level, norm) for _ in range(n_blocks)))


def _decoder(widths: list[int], levels: list[Resolution], norm: str) -> Decoder:
    ups, blocks = [], []
    for i, width in enumerate(widths[:-1]):
        once: Sides = (1,) * len(levels[i].stride)
        narrowed = convolution(widths[i + 1], width, once, once, bias=norm == "none")
        ups.append(nn.Sequential(narrowed, step_up(width, width, levels[i + 1].stride)))
        last = [norm_layer(norm, width, len(once)), nn.ReLU()] if i == 0 else []
        blocks.append(nn.Sequential(NormFirst(width, levels[i], norm), *last))
    return Decoder(ups, blocks, is_sum=True)
