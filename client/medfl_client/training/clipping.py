"""Each patient's mean gradient, cut to a length and added up, with one backward pass for all.

A forward pass keeps what each layer was given; the backward pass gives the gradient at each
layer's output, and no weight's. From the two follow the length of each patient's gradient and, with
each patient's rows scaled to the length allowed, the sum: no gradient of a single patient is kept
where it is large. Bu, Wang, Zha, Karypis: Differentially Private Optimization on Large Model at
Small Cost. ICML 2023. https://arxiv.org/abs/2210.00038
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

import torch
from torch import nn

from medfl_client.training.layer_gradients import (
    KNOWN,
    Gradients,
    Passed,
    Rows,
    is_known,
    squares,
    weighted_sum,
)
from medfl_common.errors import ConfigError
from medfl_common.models.graphs.network import GraphNetwork

ImageLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # logits, targets -> (B,)
MARGIN = 1e-3  # of the length allowed, left for what float32 rounds in the lengths


class PatientClipping:
    """Adds up patients' clipped gradients, in float64, in as many parts as memory asks for.

    The network works in evaluation mode: no layer joins the images of a batch, and none draws. One
    that came as data sees a patient at a time, since nobody has looked whether its layers do.

    Args:
        model: The network, or its head.
        clip: The longest that a patient's gradient may be.
        name: The network's, for who must choose another.

    Raises ConfigError for a network with a trained layer that it does not know.
    """

    def __init__(self, model: nn.Module, clip: float, name: str) -> None:
        self._model, self._clip, self._name = model, clip, name
        self._layers = [m for m in model.modules() if _is_trained(m)]
        self.parameters = [p for layer in self._layers for p in _own(layer)]
        self.sums = [_wide_zeros(p) for p in self.parameters]
        self._passed: list[Passed] = []
        # A network that came as data may join images, or not have them along a layer's first axis.
        self._alone = any(isinstance(module, GraphNetwork) for module in model.modules())
        self._refuse_unknown()

    def __enter__(self) -> Self:
        """Listen to the layers."""
        self._was_training, self._was_coarse = self._model.training, _coarse_products()
        self._model.eval()
        _allow_coarse_products(False, False)  # 10 bits of a factor are too few for MARGIN
        self._hooks = [layer.register_forward_hook(self._keep) for layer in self._layers]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the network as it was."""
        for hook in self._hooks:
            hook.remove()
        self._passed = []
        self._model.train(self._was_training)
        _allow_coarse_products(*self._was_coarse)

    def add(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        n_images: Sequence[int],
        loss_of_each: ImageLoss,
    ) -> torch.Tensor:
        """Add the patients' gradients to `sums`, each cut to the clip.

        A patient whose gradient is no finite number adds nothing.

        Args:
            inputs: (B, ...) images, patient by patient.
            targets: (B, K) theirs.
            n_images: (M,) images of each patient, 1 or more.
            loss_of_each: Gives the loss of each image.

        Returns:
            (M,) lengths of the gradients before.
        """
        if not len(n_images):
            return torch.zeros(0, device=inputs.device)
        if self._alone and len(n_images) > 1:
            parts = (torch.split(t, [*n_images]) for t in (inputs, targets))
            each = zip(*parts, n_images, strict=True)
            return torch.cat([self.add(x, y, [n], loss_of_each) for x, y, n in each])
        patients = sorted(range(len(n_images)), key=lambda i: n_images[i])
        rows = Rows(tuple(n_images[i] for i in patients))
        order = _images_in(patients, n_images).to(inputs.device)
        self._passed = []
        logits = self._model(inputs[order])
        losses = loss_of_each(logits, targets[order])
        losses = losses * rows.shares.to(losses.dtype).to(
            losses.device
        )  # each patient's images weigh 1 together
        lengths = self._add(losses.sum(), rows)
        found = torch.empty_like(lengths)
        found[torch.tensor(patients, device=found.device)] = lengths
        return found

    @torch.no_grad()
    def _add(self, loss: torch.Tensor, rows: Rows) -> torch.Tensor:
        self._check_passed(sum(rows.n_images))
        passed, self._passed = self._passed, []
        with torch.enable_grad():
            gradients = torch.autograd.grad(loss, [one.out for one in passed])
        work = [
            (one, gradient, *squares(one, gradient, rows))
            for one, gradient in zip(passed, gradients, strict=True)
        ]
        lengths = torch.stack([square for _, _, square, _ in work]).sum(dim=0).sqrt()
        longest = self._clip * (1 - MARGIN)
        factors = (longest / lengths.clamp(min=longest)).nan_to_num(0.0)
        if (lost := ~torch.isfinite(lengths)).any():
            work = [_without(lost, one, gradient, rows) for one, gradient, _, _ in work]
        totals = {id(p): total for p, total in zip(self.parameters, self.sums, strict=True)}
        for one, gradient, _, kept in work:
            for name, found in weighted_sum(one, gradient, kept, factors, rows).items():
                total = totals[id(getattr(one.layer, name))]
                total.add_(found.to(total.device))
        return lengths

    def _keep(self, layer: nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        if torch.is_grad_enabled():
            self._passed.append(Passed.of(layer, given[0], out))

    def _check_passed(self, n_images: int) -> None:
        """Each layer was used once, for each image alike, and nothing it was given was changed."""
        if len(self._passed) != len({id(one.layer) for one in self._passed}):
            raise self._refusal("uses a layer twice for an image")
        if {id(one.layer) for one in self._passed} != {id(layer) for layer in self._layers}:
            raise self._refusal("has a trained layer that it does not use")
        if any(one.given._version != one.version for one in self._passed):
            raise self._refusal("writes over what a layer was given")
        if any(len(one.given) % n_images for one in self._passed):
            raise self._refusal("has a layer that is not given as much of each image")

    def _refuse_unknown(self) -> None:
        known = {id(p) for layer in self._layers for p in _own(layer)}
        for where, module in self._model.named_modules():
            unknown = [p for p in _own(module) if id(p) not in known]
            if unknown or (_is_trained(module) and not is_known(module)):
                raise self._refusal(f"trains {where}, a {type(module).__name__},")

    def _refusal(self, what: str) -> ConfigError:
        return ConfigError(
            f"{self._name} {what} and its patients' gradients cannot be clipped one by one",
            todo="choose a network of convolutions, dense layers and group norm (model.norm: "
            "group), or model.freeze: all; or leave privacy.noise out",
            who="the coordinator",
        )


def _without(
    lost: torch.Tensor, passed: Passed, gradient: torch.Tensor, rows: Rows
) -> tuple[Passed, torch.Tensor, torch.Tensor, Gradients]:
    """Take patients out of a layer's pass."""
    norm = passed.norm
    if norm is not None:
        norm = (rows.without(lost, norm[0]), rows.without(lost, norm[1]))
    rest = replace(passed, given=rows.without(lost, passed.given), norm=norm)
    gradient = rows.without(lost, gradient)
    return rest, gradient, *squares(rest, gradient, rows)


def _coarse_products() -> tuple[bool, bool]:
    """Say whether a GPU may round the factors of float32 products, and of convolutions (TF32)."""
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def _allow_coarse_products(of_products: bool, of_convolutions: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = of_products
    torch.backends.cudnn.allow_tf32 = of_convolutions


def _own(layer: nn.Module) -> list[nn.Parameter]:
    return [p for p in layer.parameters(recurse=False) if p.requires_grad]


def _wide_zeros(parameter: nn.Parameter) -> torch.Tensor:
    """Make a float64 sum beside a parameter; Apple's GPUs have no float64, so on the CPU there."""
    device = "cpu" if parameter.device.type == "mps" else parameter.device
    return torch.zeros(parameter.shape, dtype=torch.float64, device=device)


def _is_trained(layer: nn.Module) -> bool:
    return isinstance(layer, KNOWN) and bool(_own(layer))


def _images_in(patients: Sequence[int], n_images: Sequence[int]) -> torch.Tensor:
    """Give (B,) the places of the images of patients in another order."""
    places = torch.split(torch.arange(sum(n_images)), list(n_images))
    return torch.cat([places[i] for i in patients])
