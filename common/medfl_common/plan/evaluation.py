"""The plan's section on how models are scored, and which is kept."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medfl_common.plan.primary import Primary
from medfl_common.plan.settings import Name, Number, Settings
from medfl_common.plan.training import OwnName

Probability = Annotated[Number, Field(ge=0, le=1)]


class Evaluation(Settings):
    """How the global model is scored at each site, on patients it is not trained on there."""

    validation: Annotated[Number, Field(ge=0, le=0.9)] = 0.2
    """The part of a site's patients that it scores on in each round: they choose the model's round,
    its temperature and its thresholds."""
    test: Annotated[Number, Field(ge=0, le=0.9)] = 0.15
    """The part of a site's patients on whom the final model is scored, once: they choose nothing. A
    site where it would be fewer than 10 patients has none."""
    split_seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Draws who trains, validates and tests; without it `seed` does."""
    split_of: Name | None = None
    """The study whose split this one goes on with; without it, its own."""
    outside: Literal["final", "rounds"] = "final"
    """Hospitals that only score (`role: evaluate`) score the result, or each round's model too."""
    threshold: Probability = 0.5
    """Binary and multilabel: a probability at or above it is positive."""
    metric: Literal[
        "auc", "loss", "accuracy", "balanced_accuracy", "f1", "kappa", "dice", "nsd", "hd95",
        "froc", "ap50",
    ] = "auc"  # fmt: skip
    """The score that says which round's model is best; `loss` and `hd95` are best when low. A
    segmentation has `dice` (its default), `nsd`, `hd95` and `loss`; a detection `froc` (its
    default: the mean sensitivity at 1/8 to 8 false positives an image), `ap50` and `loss`."""
    primary: Primary | None = None
    """The study's primary aim, named before it is known: the report says whether it was met."""
    surface_mm: Annotated[Number, Field(gt=0, le=100)] = 2.0
    """Segmentation: how far two surfaces may be apart and still agree (normalised surface Dice); in
    pixels unless the plan fixes all spacings."""
    keep: Literal["best", "last"] = "best"
    """Which round's model is the study's result."""
    early_stop: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Stop after so many rounds without a better model; without it all rounds are made."""
    specificity: Annotated[Number, Field(gt=0, lt=1)] = 0.9
    """The specificity at which the report gives the sensitivity."""
    subgroups: list[Literal["sex", "age", "manufacturer"]] = Field(default=[])
    """Groups of patients by which the final model is scored, where a site's policy allows it."""
    manufacturers: list[Annotated[str, Field(min_length=2, max_length=32)]] = Field(
        default=[], max_length=16
    )
    """How DICOM's Manufacturer begins, for the subgroup `manufacturer`; the rest are others."""

    own_metrics: list[OwnName] = Field(default=[], max_length=16)
    """Own metrics, of a plugin or a simulation's script. They are computed from the counts that
    hospitals send anyway, where these are joined; nothing more leaves."""

    feature_statistics: bool = False
    """With the last scorings each site sends mean and covariance of its validation images' features
    (16 numbers an image of the last layer but one), where its policy allows it. `predict` then
    says at any hospital whether an image looks usual to the federation."""

    membership: bool = False
    """With the last scoring each site counts how much better the model knows images that it was
    trained on than others, where its policy shares scores: the card then says how well trained
    images can be told."""

    @model_validator(mode="after")
    def _parts_leave_training(self) -> Self:
        """Refuse parts that take all; a plan of before there was `test` may have any validation."""
        if "test" in self.model_fields_set and self.validation + self.test >= 1:
            raise ValueError(
                f"validation {self.validation:g} and test {self.test:g} leave nobody to train on; "
                "together they are below 1"
            )
        return self

    def salt(self, study: str, seed: int) -> str:
        """Say what, beside a site's secret, a split follows from, in a plan of this name and seed.

        Plans with one salt have one split.
        """
        own = seed if self.split_seed is None else self.split_seed
        return f"{self.split_of or study} {own}"
