"""The model of a finished study, as it scores the images of any hospital.

The simulator has all images, so it scores the models itself: no policy withholds anything.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from medfl_client.data.dataset import Examples, Indices
from medfl_client.training.box_scores import count_boxes
from medfl_client.training.client_state import CLIENT_STATE, NEWEST, RoundStore, read_client_state
from medfl_client.training.evaluate import count_scores, score
from medfl_client.training.mask_scores import dice_of_cases
from medfl_common.metrics.box_counts import FoundBoxes
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.models import build_model
from medfl_common.models.network import Network, lay_out
from medfl_common.models.weights import load_shared
from medfl_common.run.events import Finished
from medfl_common.run.model_file import WEIGHTS
from medfl_server.study.run_directory import Study


class FinishedModel:
    """A finished study's model."""

    def __init__(self, study: Study) -> None:
        plan = study.plan
        self._study = study
        self._model: Network = lay_out(build_model(plan), plan)
        self._weights = load_file(study.folder / WEIGHTS)
        self._kept = study.log.read(Finished)[-1].round

    def score(
        self, images: Examples, device: torch.device, local: str
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (N, K) logits and targets.

        `local` names the site whose own layers the model has, if it has any; if the algorithm gives
        each site its own model, the study scores that one. A site that took no part has neither.
        """
        plan = self._study.plan
        if not len(images):
            return torch.zeros(0, plan.task.n_outputs), torch.zeros(0, plan.task.n_outputs)
        return score(self._loaded(device, local), images, plan, device)

    def case_dice(self, images: Examples, device: torch.device, local: str) -> NDArray[np.float64]:
        """Return the (N, F) Dice of a segmentation by image and class; see `score`."""
        return dice_of_cases(self._loaded(device, local), images, self._study.plan, device)

    def found_boxes(self, images: Examples, device: torch.device, local: str) -> FoundBoxes:
        """Return the boxes of a detection, matched image by image; see `score`."""
        counts = count_boxes(self._loaded(device, local), images, self._study.plan, device)
        assert counts.found is not None
        return counts.found

    def _loaded(self, device: torch.device, local: str) -> Network:
        folder = self._study.files.local / local / self._study.run
        load_shared(self._model, self._weights)
        load_shared(self._model, RoundStore(folder).before(self._kept + 1) or {})
        state = read_client_state(RoundStore(folder / CLIENT_STATE), NEWEST)
        load_shared(self._model, state.of("personal"))
        return self._model.to(device)

    def count(
        self, images: Examples, device: torch.device, local: str, patients: Indices | None
    ) -> ScoreCounts:
        """Count the scores of some images, of (N,) patients; see `score`."""
        logits, targets = self.score(images, device, local)
        return count_scores(logits, targets, self._study.plan, patients)
