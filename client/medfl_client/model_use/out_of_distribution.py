"""Does an image look like what the model was trained on? By its distance in the features.

Lee et al.: A Simple Unified Framework for Detecting Out-of-Distribution Samples. NeurIPS 2018: the
Mahalanobis distance, here with one class and the covariance of Ledoit and Wolf (2004).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_client.data.dataset import Examples
from medfl_client.training.evaluate import images_at_once
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan

MIN_IMAGES = 20  # of training and of validation images; with fewer there is no answer
MAX_IMAGES = 2000
UNUSUAL = 0.99  # an image farther than this part of the validation images is unusual
ENOUGH = 99  # validation images: of fewer the next one is the farthest more often than 1 in 100
CANNOT_TELL = "cannot tell"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Familiar:
    """What is usual at a site: centre and precision of features, and validation distances."""

    centre: Floats  # (F,)
    precision: Floats  # (F, F)
    usual: Floats  # (M,) sorted distances of validation images

    @property
    def is_enough(self) -> bool:
        """Say whether there are enough validation images to call one unusual."""
        return len(self.usual) >= ENOUGH

    def words(self, rank: float) -> str:
        """Say whether an image of this rank looks usual, or that nobody can tell."""
        if not self.is_enough:
            return CANNOT_TELL
        return "no" if rank >= UNUSUAL else "yes"

    def rank(self, features: Floats) -> Floats:
        """Give for each of (N, F) the part of the validation images that are nearer, 0..1."""
        distances = _distances(features, self.centre, self.precision)
        return np.asarray(np.searchsorted(self.usual, distances) / len(self.usual))


def learn_usual(
    model: Network, train: Examples, validation: Examples, plan: Plan, device: torch.device
) -> Familiar | None:
    """Learn what is usual from a site's own images; None with too few of them."""
    from sklearn.covariance import LedoitWolf

    if min(len(train), len(validation)) < MIN_IMAGES:
        return None
    some = torch.arange(0, len(train), max(1, len(train) // MAX_IMAGES))
    known = features_of(model, train, plan, device, some)
    fitted = LedoitWolf().fit(known)
    others = features_of(model, validation, plan, device)
    usual = np.sort(_distances(others, fitted.location_, fitted.precision_))
    return Familiar(fitted.location_, fitted.precision_, usual)


@torch.no_grad()
def features_of(
    model: Network,
    images: Examples,
    plan: Plan,
    device: torch.device,
    chosen: torch.Tensor | None = None,
) -> Floats:
    """Give (N, F) features of the chosen images of a set, or of all."""
    order = torch.arange(len(images)) if chosen is None else chosen
    model.eval()
    batches = images.batches(order, images_at_once(plan))
    found = [model.features(pixels.to(device)).double().cpu() for pixels, _ in batches]
    return np.asarray(torch.cat(found).numpy())


def _distances(features: Floats, centre: Floats, precision: Floats) -> Floats:
    apart = features - centre
    return np.asarray(np.einsum("nf,fg,ng->n", apart, precision, apart))
