"""Why a round's model is the result of a study; see events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medfl_common.files import Json
from medfl_common.run.site_reply import Facts

Why = Literal[
    "best",  # it is the best of the compared rounds
    "plan",  # the plan keeps the last
    "algorithm",  # other sites score in every round, some of them an older model
    "no_scores",  # no site let scores out
    "no_value",  # the metric is undefined, such as the AUC of one class
    "other_sites",  # the sites that scored in most rounds hold too few of the images
    "few_rounds",  # the same sites scored in a single round
    "few_images",  # those sites' images are too few
    "weights_gone",  # a damaged checkpoint has cost the best round's weights
]


@dataclass(frozen=True)
class Choice:
    """Which rounds were compared, on whose images; and why the result is the best or the last."""

    why: Why
    sites: Sequence[str] = ()  # whose images were compared
    n_images: int = 0  # of those sites
    n_rounds: int = 0  # that all of those sites scored
    of_rounds: int = 0  # that any site scored

    @property
    def is_best(self) -> bool:
        """Say whether the result is the best of several rounds."""
        return self.why == "best"

    def to_json(self) -> Json:
        """Give the JSON of the log."""
        return {
            "why": self.why, "sites": [*self.sites], "n_images": self.n_images,
            "n_rounds": self.n_rounds, "of_rounds": self.of_rounds,
        }  # fmt: skip


def choice_of(facts: Facts) -> Choice | None:
    """Read it from an event's facts; None in the log of a version that kept none."""
    found = facts.get("choice")
    return None if found is None else Choice(**found)
