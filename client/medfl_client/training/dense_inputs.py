"""What the dense layers of a network are given for a site's images, for the self-test."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from medfl_client.data.dataset import Examples, SiteData
from medfl_client.egress.self_test import Inputs, dense_layers
from medfl_client.training.evaluate import images_at_once
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights
from medfl_common.plan.plan import Plan

MOST_IMAGES = 1024  # three of four trained on; a larger site has so many tried, evenly
MOST_VALUES = 2**26  # kept of one layer
Seen = dict[str, list[torch.Tensor]]


def dense_inputs(
    model: Network, update: Weights, data: SiteData, plan: Plan, device: torch.device
) -> dict[str, Inputs]:
    """Give what each dense layer of the update sees; the model holds the task's weights.

    A layer that sees no single vector for an image, as one over the tokens of an image, is left
    out.
    """
    layers = _layers(model, update)
    if not layers:
        return {}
    widest = max(layer.in_features for layer in layers.values())
    n_images = min(MOST_IMAGES, max(MOST_VALUES // widest, 32))
    trained = _evenly(len(data.train), n_images * 3 // 4)
    held_out = _evenly(len(data.validation), n_images // 4)
    seen, inputs = _seen(model, layers, [(data.train, trained), (data.validation, held_out)],
                         plan, device)  # fmt: skip
    whose = torch.cat([_whose(data, "train", trained), _whose(data, "validation", held_out)])
    is_trained = torch.arange(len(whose)) < len(trained)
    return {
        name: Inputs(values, whose, is_trained, _is_picture(values, inputs))
        for name, parts in seen.items()
        if (values := torch.cat(parts)).dim() == 2 and len(values) == len(whose)
    }


def _layers(model: Network, update: Weights) -> dict[str, nn.Linear]:
    names = {*dense_layers(update)}
    return {n: m for n, m in model.named_modules() if n in names and isinstance(m, nn.Linear)}


def _evenly(n: int, most: int) -> torch.Tensor:
    return torch.arange(n) if n <= most else torch.linspace(0, n - 1, most).long()


def _whose(data: SiteData, part: str, chosen: torch.Tensor) -> torch.Tensor:
    """Give numbers of patients; where nobody knows them each image is its own, below 0."""
    if part in data.patients:
        return torch.from_numpy(data.patients[part])[chosen]
    return -1 - chosen - (len(data.train) if part != "train" else 0)


@torch.no_grad()
def _seen(
    model: Network,
    layers: dict[str, nn.Linear],
    parts: Sequence[tuple[Examples, torch.Tensor]],
    plan: Plan,
    device: torch.device,
) -> tuple[Seen, torch.Tensor | None]:
    """Pass images through; give what each layer saw, and the first batch of pixels."""
    seen: Seen = {name: [] for name in layers}
    handles = [_watch(layer, seen[name]) for name, layer in layers.items()]
    model.eval()
    first = None
    try:
        for pixels, is_images in _batches(parts, plan):
            first = pixels if first is None and is_images else first
            (model if is_images else model.head)(pixels.to(device))
    finally:
        for handle in handles:
            handle.remove()
    return {name: found for name, found in seen.items() if found}, first


def _batches(
    parts: Sequence[tuple[Examples, torch.Tensor]], plan: Plan
) -> Iterator[tuple[torch.Tensor, bool]]:
    for examples, chosen in parts:
        for pixels, _ in examples.batches(chosen, images_at_once(plan)):
            yield pixels, examples.is_images


def _watch(layer: nn.Linear, into: list[torch.Tensor]) -> RemovableHandle:
    return layer.register_forward_hook(
        lambda module, given, out: into.append(given[0].detach().float().cpu())
    )


def _is_picture(values: torch.Tensor, pixels: torch.Tensor | None) -> bool:
    """Say whether a layer sees the pixels themselves."""
    if pixels is None or pixels[0].numel() != values.shape[1]:
        return False
    return torch.equal(values[: len(pixels)], pixels.flatten(1).float())
