"""One optimiser step over a batch: the optimiser, the precision, in parts where memory is short."""

from dataclasses import dataclass

import torch
from torch import nn

from medfl_client.training.losses import Loss
from medfl_client.training.objectives import Objective
from medfl_common.errors import TrainingError
from medfl_common.plan.training import Training


def make_optimizer(model: nn.Module, settings: Training, rate: float) -> torch.optim.Optimizer:
    """Make the plan's optimiser over what is trained, fused into one kernel per step."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True,
        )
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, lr=rate, weight_decay=settings.weight_decay, fused=True)


def load_optimisers() -> None:
    """Have torch import what its first optimiser needs: 200,000 objects, a second.

    Done before `gc.freeze`, they are in no collection of garbage after it.
    """
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def product_type(settings: Training, device: torch.device) -> torch.dtype:
    """Choose the type of a network's products; weights, losses and sums stay float32.

    `auto`: bfloat16 where the device multiplies it in hardware, float16 on GPUs that have only
    that, else float32. Micikevicius et al.: Mixed Precision Training. ICLR 2018.
    """
    if settings.precision != "auto":
        return torch.float32 if settings.precision == "float32" else torch.bfloat16
    if device.type == "cuda":
        is_new = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if is_new else torch.float16
    has_it = device.type == "cpu" and _cpu_has_bfloat16()
    return torch.bfloat16 if has_it else torch.float32


@dataclass
class Stepper:
    """Makes steps; halves the batch once where memory runs out.

    The gradient of two halves, added up by their share of the batch, is that of the whole.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss_of: Loss
    objective: Objective
    clip_norm: float | None
    product_type: torch.dtype
    device: torch.device
    size_key: str = "size"  # of the plan's section on images, for who must lower it
    n_parts: int = 1

    def __post_init__(self) -> None:
        """Make what keeps small float16 gradients from vanishing; other types need none."""
        is_half = self.product_type == torch.float16
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=is_half)

    def step(self, pixels: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Make one step; return the batch's mean loss, a scalar on the device.

        An algorithm's extra loss is not in it.
        Raises TrainingError where half the batch does not fit into memory either.
        """
        try:
            loss = self._gradient(pixels, targets)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            if self.n_parts == 2 or len(pixels) < 2:
                raise TrainingError(
                    f"memory runs out with {-(-len(pixels) // self.n_parts)} images at a time on "
                    f"{self.device}",
                    todo=f"lower training.batch_size or images.{self.size_key} in the plan, "
                    "or choose another compute.device",
                    data="nothing was sent",
                ) from None
            self.n_parts = 2
            loss = None
        if loss is None:  # outside the handler, which holds on to the memory of the failed try
            return self.step(pixels, targets)
        self._scaler.unscale_(self.optimizer)
        self.objective.edit_gradients()
        if self.clip_norm is not None:
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        return loss

    def _gradient(self, pixels: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        parts = zip(pixels.chunk(self.n_parts), targets.chunk(self.n_parts), strict=True)
        for some_pixels, some_targets in parts:
            is_mixed = self.product_type != torch.float32
            inputs, share = some_pixels.to(self.device), len(some_pixels) / len(pixels)
            with torch.autocast(self.device.type, self.product_type, enabled=is_mixed):
                logits = self.model(inputs)
            loss = self.loss_of(logits, some_targets.to(self.device)) * share
            total += loss.detach()
            extra = self.objective.extra_loss(inputs)
            self._backward(loss if extra is None else loss + extra * share)
        return total

    def _backward(self, loss: torch.Tensor) -> None:
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]


def _cpu_has_bfloat16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported())


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Tell it from other failures; on a CPU torch has no class of its own for it."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
