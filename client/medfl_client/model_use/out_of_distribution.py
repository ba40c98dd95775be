"""Does an image look like what the model was trained on? By its distance in the features.

Lee et al.: A Simple Unified Framework for Detecting Out-of-Distribution Samples. NeurIPS 2018: the
Mahalanobis distance, here with one class and the covariance of Ledoit and Wolf (2004).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_client.data.dataset import Examples
from medfl_client.training.evaluate import features_of
from medfl_common.metrics.feature_moments import FeatureMoments
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan

MIN_IMAGES = 20  # of training and of validation images; with fewer there is no answer
MAX_IMAGES = 2000
UNUSUAL = 0.99  # an image farther than this part of the validation images is unusual
ENOUGH = 99  # images: of fewer the next one is the farthest more often than 1 in 100
CANNOT_TELL = "cannot tell"

OWN = "this site's images"
FEDERATION = "the federation's images"

Floats = NDArray[np.float64]


class Usual(Protocol):
    """What is usual, by some images."""

    @property
    def n_images(self) -> int:
        """Count the images with which one is compared."""

    @property
    def compared_with(self) -> str:
        """Say whose these are."""

    def rank(self, features: Floats) -> Floats:
        """Give for each of (N, F) the part of these images that are nearer, 0..1."""


def words(usual: Usual, rank: float) -> str:
    """Say whether an image of this rank looks usual, or that nobody can tell."""
    if usual.n_images < ENOUGH:
        return CANNOT_TELL
    return "no" if rank >= UNUSUAL else "yes"


@dataclass(frozen=True)
class FamiliarToAll:
    """What is usual in a federation, by the moments that its sites sent."""

    moments: FeatureMoments
    compared_with: str = FEDERATION

    @property
    def n_images(self) -> int:
        """Count the images of all sites that sent moments."""
        return self.moments.n

    def rank(self, features: Floats) -> Floats:
        """Give for each of (N, F) the part of such images that are nearer, 0..1."""
        return self.moments.rank(features)


@dataclass(frozen=True)
class Familiar:
    """What is usual at a site: centre and precision of features, and validation distances."""

    centre: Floats  # (F,)
    precision: Floats  # (F, F)
    usual: Floats  # (M,) sorted distances of validation images

    compared_with: str = OWN

    @property
    def n_images(self) -> int:
        """Count the validation images."""
        return len(self.usual)

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


def _distances(features: Floats, centre: Floats, precision: Floats) -> Floats:
    apart = features - centre
    return np.asarray(np.einsum("nf,fg,ng->n", apart, precision, apart))
