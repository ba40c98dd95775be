"""The gradient of one layer's weights by patient: its square, and its sum over patients.

A layer with weights W gives out = W u at each position; with g the gradient there, a patient's is
the sum of g u^T over the L positions of all the patient's images. u is (L, p), g is (L, d).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Self

import torch
from torch import nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional
from torch.nn.grad import conv2d_weight, conv3d_weight

KNOWN = (nn.Conv2d, nn.Conv3d, nn.Linear, nn.GroupNorm)
PIECE = 1 << 24  # values of u that are made at a time
KEPT = 20_000_000  # values of patients' gradients of a layer that are worth keeping

Gradients = dict[str, torch.Tensor]  # a weight's name -> (M, ...) by patient, or their sum


@dataclass(frozen=True)
class Passed:
    """A layer in a forward pass.

    given: What it was given; of a group norm as it reached torch's own.
    version: How often that had been written over then.
    out: The place in the graph of what the layer makes.
    norm: (rows, groups) mean and 1 / sd, of a group norm.
    """

    layer: nn.Module
    given: torch.Tensor
    version: int
    out: GradientEdge
    norm: tuple[torch.Tensor, torch.Tensor] | None = None

    @classmethod
    def of(cls, layer: nn.Module, given: torch.Tensor, out: torch.Tensor) -> Self:
        """Note a layer's forward pass; a group norm has worked out before what is asked of it."""
        if isinstance(layer, nn.GroupNorm):
            node: Any = out.grad_fn
            while node.name() != "NativeGroupNormBackward0":
                node = node.next_functions[0][0]
            own = node._saved_input.detach()
            norm = (node._saved_result1, node._saved_result2)
            return cls(layer, own, own._version, GradientEdge(node, 0), norm)
        kept = given.detach()
        return cls(layer, kept, kept._version, get_gradient_edge(out))


@dataclass(frozen=True)
class Rows:
    """Which rows of a batch are whose: patient by patient, those with fewer images first.

    n_images: (M,) images of each patient.
    """

    n_images: tuple[int, ...]

    @cached_property
    def shares(self) -> torch.Tensor:
        """Give (B,) the part of its patient that each image is."""
        counts = torch.tensor(self.n_images)
        return (1 / counts.double()).repeat_interleave(counts)

    def groups(self) -> Iterator[tuple[int, int, int, int]]:
        """Go through runs of patients with as many images: first and last + 1, k, first image."""
        patient = image = 0
        for k, several in groupby(self.n_images):
            m = len([*several])
            yield patient, patient + m, k, image
            patient, image = patient + m, image + m * k

    def by_image(self, values: torch.Tensor, n_rows: int) -> torch.Tensor:
        """Repeat (M,) values of patients for each of a layer's rows; an image may have several."""
        per_image = n_rows // sum(self.n_images)
        counts = torch.tensor(self.n_images, device=values.device) * per_image
        return values.repeat_interleave(counts, output_size=n_rows)

    def without(self, lost: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Put 0 into the rows of some patients."""
        chosen = self.by_image(lost, len(values))
        return values.masked_fill(chosen.reshape(-1, *[1] * (values.dim() - 1)), 0.0)


def is_known(layer: nn.Module) -> bool:
    """Say whether the gradients of such a layer are known here; of convolutions most are."""
    if isinstance(layer, nn.Conv2d | nn.Conv3d):
        is_plain = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        return is_plain and set(layer.dilation) == {1}
    return isinstance(layer, KNOWN)


def squares(passed: Passed, gradient: torch.Tensor, rows: Rows) -> tuple[torch.Tensor, Gradients]:
    """Give (M,) the squared length of each patient's gradient, and gradients that cost nothing.

    Args:
        passed: One of KNOWN, and what it was given, one or several rows an image.
        gradient: The gradient at its output.
        rows: Whose they are.
    """
    layer, given = passed.layer, passed.given
    if isinstance(layer, nn.GroupNorm):
        kept = _of_norm(layer, passed, gradient, rows)
        return sum((v.square().sum(dim=1) for v in kept.values()), torch.zeros(())), kept
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    keeps = len(rows.n_images) * weight.numel() <= KEPT
    parts: list[torch.Tensor] = []
    whole: list[torch.Tensor | None] = []
    biases: list[torch.Tensor] = []
    for u, g in _pieces(layer, given, gradient, rows):
        square, found = _square(u, g)
        whole.append(_as_weight(layer, found) if found is not None and keeps else None)
        biases.append(g.sum(dim=2).flatten(1))
        parts.append(square)
    total = torch.cat(parts) if weight.requires_grad else torch.zeros(len(rows.n_images)).to(given)
    kept = {}
    if weight.requires_grad and all(one is not None for one in whole):
        kept["weight"] = torch.cat([one for one in whole if one is not None])
    if layer.bias is not None and layer.bias.requires_grad:
        kept["bias"] = torch.cat(biases)
        total = total + kept["bias"].square().sum(dim=1)
    return total, kept


def weighted_sum(
    passed: Passed, gradient: torch.Tensor, kept: Gradients, factors: torch.Tensor, rows: Rows
) -> Gradients:
    """Add the gradients of patients up, each times its factor (M,)."""
    layer, given = passed.layer, passed.given
    found = {name: torch.tensordot(factors, values, 1) for name, values in kept.items()}
    trained = {name for name, p in layer.named_parameters(recurse=False) if p.requires_grad}
    if not trained - set(found):
        return found
    shape = (-1, *[1] * (gradient.dim() - 1))
    scaled = gradient * rows.by_image(factors, len(gradient)).reshape(shape)
    rest = {"weight": _weight_of(layer, given, scaled), "bias": _bias_of(layer, scaled)}
    return found | {name: rest[name] for name in trained - set(found)}


def _weight_of(layer: nn.Module, given: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Give the gradient of a layer's weights from that at its output."""
    if isinstance(layer, nn.Linear):
        return gradient.flatten(0, -2).T @ given.flatten(0, -2)
    assert isinstance(layer, nn.Conv2d | nn.Conv3d)
    weight_of = conv2d_weight if isinstance(layer, nn.Conv2d) else conv3d_weight
    settings = (layer.stride, layer.padding, layer.dilation, layer.groups)
    found: torch.Tensor = weight_of(given, layer.weight.shape, gradient, *settings)  # type: ignore[no-untyped-call]
    return found


def _bias_of(layer: nn.Module, gradient: torch.Tensor) -> torch.Tensor:
    if isinstance(layer, nn.Linear):
        return gradient.flatten(0, -2).sum(dim=0)
    return _over_space(gradient).sum(dim=0)


def _square(u: torch.Tensor, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Give (m,) squared lengths of g u^T, by the products of positions where these are fewer.

    u: (m, groups, L, p); g: (m, groups, L, d). Beside it the gradients (m, groups, d, p), where
    they were made.
    """
    (n, p), d, kind = u.shape[2:], g.shape[3], u.dtype
    if n * (p + d) < p * d and (n == 1 or u.device.type != "mps"):
        if n > 1:  # products of positions may cancel, and float32 would lose the length
            u, g = u.double(), g.double()
        both = (u @ u.mT) * (g @ g.mT)
        return both.sum(dim=(1, 2, 3)).clamp(min=0).to(kind), None
    gradients = g.mT @ u
    return torch.linalg.vector_norm(gradients, dim=(1, 2, 3)).square(), gradients


def _as_weight(layer: nn.Module, gradients: torch.Tensor) -> torch.Tensor:
    """Turn (m, groups, d, kernel * inputs) into gradients of the layer's weight, (m, ...)."""
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    kernel = weight.shape[2:]
    return gradients.reshape(len(gradients), weight.shape[0], *kernel, -1).movedim(-1, 2)


def _pieces(
    layer: nn.Module, given: torch.Tensor, gradient: torch.Tensor, rows: Rows
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Go through the patients, several at a time: u (m, groups, L, p) and g (m, groups, L, d)."""
    per_image = len(given) // sum(rows.n_images)
    size = gradient[0].numel() if isinstance(layer, nn.Linear) else gradient[0, 0].numel()
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    inputs = max(1, size * weight[0].numel())
    for first, last, k, image in rows.groups():
        n_rows = k * per_image
        most = max(1, PIECE // (inputs * n_rows))
        for start in range(0, last - first, most):
            m = min(most, last - first - start)
            begin = image * per_image + start * n_rows
            chosen = slice(begin, begin + m * n_rows)
            yield _by_position(layer, given[chosen], gradient[chosen], m)


def _by_position(
    layer: nn.Module, given: torch.Tensor, gradient: torch.Tensor, m: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Lay the positions of all rows of each of m patients along one axis."""
    if isinstance(layer, nn.Linear):
        u, g = (t.reshape(m, 1, -1, t.shape[-1]) for t in (given, gradient))
        return u, g
    assert isinstance(layer, nn.Conv2d | nn.Conv3d)
    n = layer.groups
    u = _of_groups(_seen(layer, given), m, n)
    if n == 1 and len(gradient) == m and gradient.is_contiguous():
        return u, gradient.flatten(2).mT[:, None]  # as it lies in memory
    return u, _of_groups(gradient.movedim(1, -1)[..., None, :], m, n)


def _of_groups(values: torch.Tensor, m: int, n_groups: int) -> torch.Tensor:
    """Turn (rows, positions..., K, groups * c) into (m, groups, L, K * c); of one group a view."""
    kernel, channels = values.shape[-2:]
    by_group = values.reshape(m, -1, kernel, n_groups, channels // n_groups)
    return by_group.permute(0, 3, 1, 2, 4).flatten(3)


def _seen(layer: nn.Conv2d | nn.Conv3d, given: torch.Tensor) -> torch.Tensor:
    """Give (B, positions..., kernel, inputs): what each position of the output sees."""
    kernel, dimensions = layer.kernel_size, given.dim() - 2
    assert not isinstance(layer.padding, str)
    around = [n for n in reversed(layer.padding) for _ in range(2)]
    seen = functional.pad(given, around) if any(around) else given
    seen = seen.movedim(1, -1)  # (B, [D,] H, W, C)
    for axis, (size, step) in enumerate(zip(kernel, layer.stride, strict=True), start=1):
        seen = seen.unfold(axis, size, step)  # (B, [d,] h, w, C, kd, kh, kw)
    return seen.movedim(1 + dimensions, -1).flatten(1 + dimensions, -2)


def _of_norm(layer: nn.GroupNorm, passed: Passed, gradient: torch.Tensor, rows: Rows) -> Gradients:
    """Give the gradients (M, C) of a group norm's scales and offsets.

    As if the batch were one image with a channel for each of its images' channels: torch then
    gives one number for each.
    """
    assert passed.norm is not None
    given, gradient = passed.given.contiguous(), gradient.contiguous()
    n_rows, channels = given.shape[:2]
    found = torch.ops.aten.native_group_norm_backward(
        gradient.view(1, n_rows * channels, -1),
        given.view(1, n_rows * channels, -1),
        *(one.reshape(1, -1) for one in passed.norm),
        None,
        1,
        n_rows * channels,
        given[0, 0].numel(),
        n_rows * layer.num_groups,
        [False, True, True],
    )
    weights, biases = (one.reshape(n_rows, channels) for one in found[1:])
    per_image = n_rows // sum(rows.n_images)
    counts = torch.tensor(rows.n_images, device=given.device) * per_image
    owners = torch.arange(len(counts), device=given.device).repeat_interleave(counts)
    zeros = given.new_zeros((len(counts), channels))
    return {
        name: zeros.index_add(0, owners, values)
        for name, values in (("weight", weights), ("bias", biases))
        if getattr(layer, name).requires_grad
    }


def _over_space(values: torch.Tensor) -> torch.Tensor:
    return values.flatten(2).sum(dim=2)
