"""What makes up for rare classes at a site: weights in the loss, or images drawn more often."""

import torch

from medfl_common.plan.plan import Plan


def class_weights(targets: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Give (2, K) weights of a target's absence (row 0) and presence (row 1).

    Each goes with one over its share of the site's known targets (N, K), so that every class that
    occurs weighs alike; their mean over the images is 1, so the learning rate keeps its meaning.
    """
    known = ~torch.isnan(targets)
    present = ((targets > 0.5) & known).sum(dim=0).double()
    if plan.task.is_one_of_many:  # one class an image: only its own presence counts
        counts = present[None].repeat(2, 1)
        total = counts.sum(dim=1, keepdim=True)
        n_classes = (present > 0).sum()
    else:
        counts = torch.stack([known.sum(dim=0) - present, present])
        total = counts.sum(dim=0, keepdim=True)
        n_classes = (counts > 0).sum(dim=0, keepdim=True)
    weights = torch.where(counts > 0, total / (n_classes * counts.clamp(min=1)), 0.0)
    return weights.float()


def weight_of(targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Give (B, K) the weight of each target of a batch; unknown ones get that of absence."""
    return torch.where(targets > 0.5, weights[1], weights[0])


def image_chances(targets: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Give (N,) chances by which images are drawn; several findings: the mean of their weights."""
    weights = class_weights(targets, plan)
    if plan.task.is_one_of_many:
        return weights[1][targets.argmax(dim=1)]
    known = ~torch.isnan(targets)
    return (weight_of(targets, weights) * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)
