"""Where a network looked: Grad-CAM by captum.

Selvaraju et al.: Grad-CAM. ICCV 2017. https://arxiv.org/abs/1610.02391
"""

import torch
from torch import nn
from torch.nn.functional import interpolate

from medfl_common.models.network import Network

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
MOST_AFTER = 3  # dense layers behind the last convolution; VGG has two, a block of a ViT three


def grad_cam(
    model: Network, pixels: torch.Tensor, output: int, is_against: bool = False
) -> torch.Tensor:
    """Give (B, [D,] S, S) in 0..1 how much each place spoke for an output (or against it).

    Of the last convolution, enlarged. A transformer has none at its end: there it is the size of
    the gradient by each pixel (Simonyan et al., 2014), smoothed.
    """
    pixels = pixels.clone().requires_grad_(True)
    last = _last_convolution(model)
    model.eval()
    if last is None:
        found = _by_pixel(model, pixels, output)
    else:
        sign = -1 if is_against else 1
        found = _by_last_convolution(model, pixels, output, last, sign)
    found = found.clamp(min=0)
    highest = found.flatten(1).amax(dim=1).clamp(min=1e-12)
    return found / highest.reshape(-1, *([1] * (found.dim() - 1)))


def _last_convolution(model: Network) -> nn.Module | None:
    """Give the last convolution; None where many dense layers follow, as in a transformer."""
    layers = [m for m in model.backbone.modules() if isinstance(m, (*CONVOLUTIONS, nn.Linear))]
    n_after = next((i for i, m in enumerate(reversed(layers)) if isinstance(m, CONVOLUTIONS)), None)
    return None if n_after is None or n_after > MOST_AFTER else layers[-1 - n_after]


def _by_last_convolution(
    model: Network, pixels: torch.Tensor, output: int, layer: nn.Module, sign: int
) -> torch.Tensor:
    from captum.attr import LayerGradCam

    def logits(inputs: torch.Tensor) -> torch.Tensor:
        given: torch.Tensor = sign * model(inputs)
        return given

    explained = LayerGradCam(logits, layer).attribute(pixels, target=output, relu_attributions=True)
    found = explained.detach()
    if len(found) != len(pixels):  # by slices: (B * D, 1, h, w)
        found = found.reshape(len(pixels), -1, *found.shape[2:])[:, None]
    mode = "trilinear" if found.dim() == 5 else "bilinear"
    enlarged = interpolate(found, size=pixels.shape[2:], mode=mode, align_corners=False)
    return enlarged[:, 0]


def _by_pixel(model: Network, pixels: torch.Tensor, output: int) -> torch.Tensor:
    from captum.attr import Saliency
    from torchvision.transforms.v2.functional import gaussian_blur

    size = Saliency(model).attribute(pixels, target=output, abs=True).detach().amax(dim=1)
    blurred: torch.Tensor = gaussian_blur(size.flatten(0, -3)[:, None], [9, 9], [3.0, 3.0])
    return blurred.reshape(size.shape)
