"""Can a reader of the final model tell that a hospital's images took part? An attack, measured."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.dataset import Examples
from medfl_client.task.site import Site
from medfl_client.training.membership import truth_log_odds
from medfl_common.metrics.membership import Attack, attack_on
from medfl_common.plan.plan import Plan
from medfl_sim.runs.baselines import Joined
from medfl_sim.runs.finished_model import FinishedModel

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Inside:
    """The whole federation's model, and its hospitals."""

    whole: FinishedModel
    sites: Mapping[str, Site]
    plan: Plan

    def tell(self, name: str, without: FinishedModel) -> Attack | None:
        """Attack one hospital, with the model of the others to compare; None without images.

        A gain is the log-odds of an image's truth by the whole model, less those by the other. The
        hospital's training images stand against the others' held-out ones.
        """
        own = self._gains(name, self.sites[name].data(self.plan).train, without)
        others = [
            self._gains(other, Joined([data.validation, data.test]), without)
            for other, site in self.sites.items()
            if other != name and (data := site.data(self.plan))
        ]
        return attack_on(own, np.concatenate([np.zeros(0), *others]))

    def _gains(self, name: str, images: Examples, without: FinishedModel) -> Values:
        device = self.sites[name].device
        found = [
            truth_log_odds(*model.score(images, device, name), self.plan)
            for model in (self.whole, without)
        ]
        gains: Values = found[0] - found[1]
        return gains
