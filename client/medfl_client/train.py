"""THE training loop: batches, a model, an objective and an optimiser. An algorithm adds no loop."""

from dataclasses import dataclass

import torch
from torch import nn

from medfl_client.augment import augment
from medfl_client.dataset import ImageSet
from medfl_client.losses import task_loss
from medfl_client.objectives import Term
from medfl_common.errors import TrainingError
from medfl_common.plan import Plan, Training
from medfl_common.seeds import derive_seed, torch_generator


@dataclass(frozen=True)
class Trained:
    """What one site's local training did."""

    n_images: int
    n_steps: int
    loss: float  # mean over the images of the last epoch, before each step


def train(
    model: nn.Module,
    images: ImageSet,
    plan: Plan,
    round_: int,
    site: str,
    term: Term,
    device: torch.device,
    max_steps: int | None = None,
) -> Trained:
    """Train in place for the plan's epochs; the order comes from (seed, round, site) alone.

    `max_steps` ends it early, to try a step.

    Raises TrainingError where the loss is not a finite number; the model is then spoilt.
    """
    optimizer = make_optimizer(model, plan.training)
    loss_of = task_loss(plan)
    order = torch_generator(plan.seed, "batch order", round_, site)
    changes = torch_generator(plan.seed, "augmentation", round_, site)
    model.train()
    n_steps = 0
    for _ in range(plan.training.epochs if max_steps is None else 1):
        total, n_seen = torch.zeros((), device=device), 0
        for pixels, targets in images.batches(images.order(order), plan.training.batch_size):
            pixels = augment(pixels, plan.training.augmentation, changes).to(device)
            loss = loss_of(model(pixels), targets.to(device))
            extra = term(model)
            optimizer.zero_grad(set_to_none=True)
            (loss if extra is None else loss + extra).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach() * len(pixels)
            n_seen += len(pixels)
            n_steps += 1
            if n_steps == max_steps:
                break
        mean = float(total) / max(n_seen, 1)
        if not torch.isfinite(total):
            raise TrainingError(f"the loss became {mean} in round {round_}; nothing was sent")
    return Trained(len(images), n_steps, mean)


def make_optimizer(model: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """Make the plan's optimiser, fused into one kernel per step."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=settings.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True,
        )
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=True)


def seed_layers(plan: Plan, round_: int, site: str) -> None:
    """Seed what draws inside layers (dropout); call it inside `torch.random.fork_rng`."""
    torch.manual_seed(derive_seed(plan.seed, "layers", round_, site))
