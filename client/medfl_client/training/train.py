"""THE training loop: batches, a model, an objective and an optimiser. An algorithm adds no loop."""

from dataclasses import dataclass

import torch
from torch import nn

from medfl_client.data.dataset import Examples
from medfl_client.training.augment import augment, augment_with_boxes, augment_with_masks
from medfl_client.training.class_balance import image_chances
from medfl_client.training.losses import training_loss
from medfl_client.training.objectives import Objective
from medfl_client.training.step import Stepper, make_optimizer, product_type
from medfl_common.errors import TrainingError
from medfl_common.plan.plan import Plan
from medfl_common.seeds import derive_seed, torch_generator


@dataclass(frozen=True)
class Trained:
    """What one site's local training did."""

    n_images: int
    n_steps: int
    loss: float  # mean over the images of the last epoch, before each step


def train(
    model: nn.Module,
    images: Examples,
    plan: Plan,
    round_: int,
    site: str,
    objective: Objective,
    device: torch.device,
    max_steps: int | None = None,
    epochs: int | None = None,
) -> Trained:
    """Train in place for the plan's epochs; the order comes from (seed, round, site) alone.

    `epochs` are those that the site wishes: it makes as many as the plan's range allows.
    `max_steps` ends it early, to try a step.
    Raises TrainingError where the loss is not a finite number; the model is then corrupted.
    """
    settings = plan.training
    stepper = Stepper(
        model=model,
        optimizer=make_optimizer(model, settings, plan.learning_rate(round_)),
        loss_of=training_loss(plan, images.targets),
        objective=objective,
        clip_norm=settings.clip_norm,
        product_type=product_type(settings, device),
        device=device,
        size_key="patch.size" if plan.images.patch else "size",
    )
    order = torch_generator(plan.seed, "batch order", round_, site)
    changes = torch_generator(plan.seed, "augmentation", round_, site)
    changes_images = images.is_images and settings.augmentation.is_on
    model.train()
    n_steps = 0
    for epoch in range(settings.epochs_of(epochs) if max_steps is None else 1):
        objective.before_epoch(epoch)
        total, n_seen = torch.zeros((), device=device), 0
        for pixels, targets in images.batches(_order(images, plan, order), settings.batch_size):
            if changes_images:
                pixels, targets = _changed(pixels, targets, plan, changes)
            total += stepper.step(pixels, targets) * len(pixels)
            n_seen += len(pixels)
            n_steps += 1
            if n_steps == max_steps:
                break
        mean = float(total) / max(n_seen, 1)
        if not torch.isfinite(total):
            raise TrainingError(
                f"the loss became {mean} in round {round_}", data="nothing was sent"
            )
    return Trained(len(images), n_steps, mean)


def _changed(
    pixels: torch.Tensor, targets: torch.Tensor, plan: Plan, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change a batch at random; masks and boxes move with their images."""
    settings, aspect = plan.training.augmentation, plan.images.aspect
    if plan.task.has_masks:
        return augment_with_masks(pixels, targets, settings, generator, aspect)
    if plan.task.has_boxes:
        return augment_with_boxes(pixels, targets, settings, generator, aspect)
    return augment(pixels, settings, generator, aspect), targets


def _order(images: Examples, plan: Plan, generator: torch.Generator) -> torch.Tensor:
    """Draw the order of one epoch; balanced: as many images, the rare classes more often."""
    if plan.training.class_balance != "sampling":
        return images.order(generator)
    chances = image_chances(images.targets, plan)
    drawn = torch.multinomial(chances, len(images), replacement=True, generator=generator)
    return images.chosen(drawn, generator)


def seed_layers(plan: Plan, round_: int, site: str, device: torch.device) -> None:
    """Seed what draws inside layers (dropout); call it inside `torch.random.fork_rng`."""
    seed = derive_seed(plan.seed, "layers", round_, site)
    torch.default_generator.manual_seed(seed)  # not torch's, which is for every kind of device
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
