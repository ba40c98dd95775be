"""Sites with wrong labels on some training images."""

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field

from medfl_client.data.dataset import SiteData
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import Number, Settings
from medfl_sim.data.faults import FAULTS, Sites


@FAULTS.register("label_noise")
class LabelNoise(Settings):
    """Each training image gets a wrong label with this probability.

    Binary and multilabel: 0 and 1 swap, unknown labels stay unknown. Multiclass: the fault draws
    another class. Validation images keep their labels. Masks and boxes are no such labels: a
    segmentation and a detection are refused.
    """

    probability: Annotated[Number, Field(ge=0, le=1)]
    """The probability that a training label is wrong."""
    sites: Sites = "all"
    """The affected sites: `all`, a number (the first of the roster), or a list of names."""

    def corrupt_data(self, data: SiteData, plan: Plan, rng: np.random.Generator) -> SiteData:
        """Return the data with wrong training labels; raises ConfigError for masks and boxes."""
        if plan.task.is_dense:
            raise ConfigError(
                f"the fault label_noise changes labels of images, and a {plan.task.type} has none",
                todo="leave it out of the scenario",
            )
        train: Any = data.train  # a frozen dataclass with targets, whatever the images are
        targets = train.targets.clone()
        if plan.task.is_one_of_many:
            hit = torch.from_numpy(rng.random(len(targets)) < self.probability)
            n_classes = targets.shape[1]
            others = targets.argmax(1) + torch.from_numpy(rng.integers(1, n_classes, len(targets)))
            wrong = torch.nn.functional.one_hot(others % n_classes, n_classes).float()
            targets[hit] = wrong[hit]
        else:
            hit = torch.from_numpy(rng.random(targets.shape) < self.probability)
            targets[hit] = 1 - targets[hit]
        return replace(data, train=replace(train, targets=targets))
