"""How much better a model knows a site's images than its start did, trained on or held out."""

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_client.data.dataset import Examples, SiteData
from medfl_client.egress.start_weights import can_be_checked
from medfl_client.training.evaluate import score
from medfl_client.training.losses import losses_of_images
from medfl_common.models import build_model
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan
from medfl_common.wire.tasks import Kind

MOST_IMAGES = 10_000  # of each kind; a larger site has so many scored, evenly
LEAST_LOSS = 1e-9  # what float32 rounds to 0 is not certain
Values = NDArray[np.float64]


def is_asked(plan: Plan, kind: Kind) -> bool:
    """Say whether a scoring is the last, and the plan wants the attack's counts of it."""
    last = "test" if plan.evaluation.test else "evaluate"
    return plan.evaluation.membership and kind == last


def gains(
    model: Network, data: SiteData, plan: Plan, device: torch.device
) -> tuple[Values, Values] | None:
    """Give (N,) gains of trained images and of held-out ones; None without either, or for masks.

    A gain is the log-odds of an image's truth by the model, less those by the start model. Where a
    site cannot make the start weights, published ones, nothing is taken off.
    """
    if plan.task.is_dense or not len(data.train) or not len(data.validation) + len(data.test):
        return None
    networks = [model]
    if can_be_checked(plan):
        networks.append(build_model(plan).to(device))

    def of(parts: list[Examples]) -> Values:
        own, *start = (
            np.concatenate([_log_odds(one, part, plan, device) for part in parts if len(part)])
            for one in networks
        )
        return own - start[0] if start else own

    return of([data.train]), of([data.validation, data.test])


def _log_odds(model: Network, images: Examples, plan: Plan, device: torch.device) -> Values:
    """Give (N,) log-odds of each image's truth, of as many as are scored."""
    n = min(len(images), MOST_IMAGES)
    chosen = torch.linspace(0, len(images) - 1, n).long()
    trunk = model if images.is_images else model.head
    return truth_log_odds(*score(trunk, images, plan, device, chosen), plan)


def truth_log_odds(logits: torch.Tensor, targets: torch.Tensor, plan: Plan) -> Values:
    """Turn (N, K) logits into (N,) log-odds of each image's truth."""
    loss = losses_of_images(logits, targets, plan).double().clamp(min=LEAST_LOSS)
    found: Values = (-loss - torch.log(-torch.expm1(-loss))).numpy()
    return found
