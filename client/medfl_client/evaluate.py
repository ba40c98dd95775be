"""A model and a validation split become counts; predictions are not kept and never leave."""

import numpy as np
import torch
from torch import nn

from medfl_client.dataset import ImageSet
from medfl_client.losses import classes, log_odds, predicted, task_loss
from medfl_common.metrics import Tally, histogram
from medfl_common.plan import Plan

BATCH = 256  # images scored at a time


@torch.no_grad()
def score(
    model: nn.Module, images: ImageSet, plan: Plan, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give (N, K) float32 logits and (N, K) targets of a set, in its order."""
    model.eval()
    parts = list(images.batches(torch.arange(len(images)), BATCH))
    logits = torch.cat([model(pixels.to(device)).float().cpu() for pixels, _ in parts])
    return logits, torch.cat([targets for _, targets in parts])


def tally(logits: torch.Tensor, targets: torch.Tensor, plan: Plan) -> Tally:
    """Count scores of (N, K) logits against (N, K) targets, N >= 1."""
    odds = log_odds(logits, plan)
    truth, guess = classes(targets, plan).numpy(), predicted(odds, plan).numpy()
    k = len(plan.task.classes)
    confusion = np.bincount(truth * k + guess, minlength=k * k).reshape(k, k).astype(np.int64)
    is_class = targets.numpy() > 0.5
    return Tally(
        n=len(targets),
        loss=float(task_loss(plan)(logits, targets)),
        confusion=confusion,
        positive=np.stack(
            [histogram(o[y]) for o, y in zip(odds.numpy().T, is_class.T, strict=True)]
        ),
        negative=np.stack(
            [histogram(o[~y]) for o, y in zip(odds.numpy().T, is_class.T, strict=True)]
        ),
    )


def exact_auc(logits: torch.Tensor, targets: torch.Tensor, plan: Plan) -> float | None:
    """Area under the ROC curve by scikit-learn, from the scores; None with one class only.

    Multiclass: the mean of one class against the rest, over the classes that occur.
    """
    from sklearn.metrics import roc_auc_score  # a second to import

    odds = log_odds(logits, plan).numpy()
    truth = targets.numpy() > 0.5
    areas = [
        roc_auc_score(y, o) for y, o in zip(truth.T, odds.T, strict=True) if y.any() and not y.all()
    ]
    return float(np.mean(areas)) if areas else None
