"""The plan's section on one site's local training in one round."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medfl_common.parts.losses import BUILT_IN_LOSSES, BuiltInLoss
from medfl_common.plan.graph_files import GraphLoss
from medfl_common.plan.settings import Matching, Number, Settings

OWN, OWN_IN_WORDS = r"[A-Za-z_][A-Za-z0-9_]{0,63}", "the name of a part, such as soft_f1"
OwnName = Annotated[str, Matching(OWN, OWN_IN_WORDS)]


class Augmentation(Settings):
    """Random changes to a training image; all off by default. A volume changes as a whole."""

    flip: bool = False
    """Mirror left and right, half the time."""
    flip_vertical: bool = False
    """Mirror top and bottom, half the time; not for a chest."""
    rotation_deg: Annotated[Number, Field(ge=0, le=180)] = 0.0
    """Rotate by up to so many degrees either way."""
    shift: Annotated[Number, Field(ge=0, le=0.5)] = 0.0
    """Move by up to this part of the side, either way."""
    zoom: Annotated[Number, Field(ge=0, le=0.5)] = 0.0
    """Scale by up to this part either way; 0.1: between 0.9 and 1.1 times."""
    shear_deg: Annotated[Number, Field(ge=0, le=45)] = 0.0
    """Shear by up to so many degrees either way."""
    rotation_3d_deg: Annotated[Number, Field(ge=0, le=180)] = 0.0
    """Volumes: rotate about the two axes within the slices too, by up to so many degrees each."""
    elastic: Annotated[Number, Field(ge=0, le=0.1)] = 0.0
    """Bend: the 3 x 3 (x 3) points of a coarse grid move by up to this part of the side along each
    axis, what lies between them smoothly (Ronneberger et al., MICCAI 2015)."""
    contrast: Annotated[Number, Field(ge=0, le=0.9)] = 0.0
    """Change contrast by up to this part; 0.2: between 0.8 and 1.2 times."""
    noise: Annotated[Number, Field(ge=0, le=0.5)] = 0.0
    """Add Gaussian noise of this standard deviation; from black to white is 1."""
    own: list[OwnName] = Field(default=[], max_length=16)
    """Own augmentations, of a plugin or a simulation's script, after the others and in this order.
    Masks and boxes stay as they are: one that moves pixels is for other tasks."""
    share: Annotated[Number, Field(gt=0, le=1)] = 0.5
    """The part of the images that is changed, drawn anew each time; the others stay as they are,
    so the network is calibrated for unchanged images too."""
    fill: Literal["black", "edge"] = "edge"
    """What moves in from outside: black, or the image's edge continued. A mask's is the background,
    or its edge continued."""

    @property
    def is_on(self) -> bool:
        """Say whether any change is asked for."""
        return bool(self.changes())

    @property
    def moves_in_plane(self) -> bool:
        """Say whether an image may turn, shift, grow or slant in its plane."""
        return bool(self.rotation_deg or self.shift or self.zoom or self.shear_deg)

    def changes(self) -> dict[str, bool | float]:
        """Give the changes that are asked for, by name."""
        others = {"share", "fill", "own"}
        found: dict[str, bool | float] = self.model_dump(exclude_defaults=True, exclude=others)
        return found | dict.fromkeys(self.own, True)


class Schedule(Settings):
    """How the learning rate changes over the rounds; within a round it is constant."""

    kind: Literal["constant", "cosine", "step"] = "constant"
    """`cosine` falls to 0 after the last round; `step` falls now and then."""
    warmup_rounds: int = Field(default=0, ge=0, le=1000)
    """Over so many rounds the rate rises from lr / (n + 1) to lr."""
    every_rounds: int = Field(default=10, ge=1, le=10_000)
    """`step`: rounds between two falls."""
    factor: Annotated[Number, Field(gt=0, lt=1)] = 0.1
    """`step`: each fall multiplies the rate by this."""


class Training(Settings):
    """One site's local training in one round."""

    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    """The optimizer at the sites; it begins anew in each round."""
    lr: Annotated[Number, Field(gt=0, le=10)] = 0.01
    """The learning rate."""
    schedule: Schedule = Schedule()
    """How the learning rate changes over the rounds."""
    momentum: Annotated[Number, Field(ge=0, lt=1)] = 0.9
    """Momentum of `sgd`; the others ignore it."""
    weight_decay: Annotated[Number, Field(ge=0, le=1)] = 0.0
    """Weight decay of the optimizer."""
    epochs: int = Field(default=1, ge=1, le=1000)
    """Passes over the site's training images in each round."""
    epochs_range: (
        Annotated[list[Annotated[int, Field(ge=1, le=1000)]], Field(min_length=2, max_length=2)]
        | None
    ) = None
    """`[fewest, most]`: a site may make other epochs than `epochs`, as many as its own
    `compute.epochs` says. Without it all make the same."""
    batch_size: int = Field(default=32, ge=1, le=4096)
    """Samples in one step."""
    class_balance: Literal["none", "weights", "sampling"] = "none"
    """Makes up for a site's rare classes: a larger weight in the loss, or their images drawn more
    often. Both go with one over the class's share."""
    loss: BuiltInLoss | OwnName | GraphLoss = "task"
    """What a segmentation is trained on. `task`: dice_ce. `dice_ce`: Dice of each case, over the
    outlined classes that it has, plus cross-entropy. `ce`: cross-entropy. `focal`: focal loss,
    gamma 2. `dice`: Dice of each case alone. Every case counts alike. A detection has a focal loss
    of its heat-maps plus the error of log sides, other tasks cross-entropy: `task`.
    Another name is an own loss, of a plugin or a simulation's script; `{graph, sha256}` a loss that
    the plan brings as data."""
    label_smoothing: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """Label smoothing of the loss (Szegedy et al., CVPR 2016)."""
    clip_norm: Annotated[Number, Field(gt=0)] | None = None
    """The largest norm of a step's gradient; without it nothing is clipped."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format in training. `auto`: bfloat16 where the processor multiplies it in hardware,
    float16 on older GPUs. Scoring is always float32."""
    feature_copies: int = Field(default=1, ge=1, le=64)
    """With `freeze: all` and augmentation: so many changed copies of each image have their features
    computed once, and each epoch takes one copy at random."""
    objective: str | None = None
    """Another objective at the sites than the algorithm's own."""
    augmentation: Augmentation = Augmentation()
    """Random changes to training images."""

    @model_validator(mode="after")
    def _epochs_are_in_their_range(self) -> Self:
        fewest, most = self.fewest_epochs, self.most_epochs
        if not fewest <= self.epochs <= most:
            raise ValueError(
                f"epochs is {self.epochs}; epochs_range says {fewest} to {most}, and holds it"
            )
        return self

    @property
    def own_loss(self) -> str:
        """Name the plan's own loss; empty: it is one of medfl's."""
        if isinstance(self.loss, GraphLoss):
            return self.loss.graph
        is_own = isinstance(self.loss, str) and self.loss not in BUILT_IN_LOSSES
        return self.loss if is_own else ""

    @property
    def fewest_epochs(self) -> int:
        """Say how many a site makes at least."""
        return self.epochs if self.epochs_range is None else self.epochs_range[0]

    @property
    def most_epochs(self) -> int:
        """Say how many a site makes at the most."""
        return self.epochs if self.epochs_range is None else self.epochs_range[1]

    def epochs_of(self, wish: int | None) -> int:
        """Give a site's epochs: those that it wishes, or the nearest that are allowed."""
        if wish is None:
            return self.epochs
        return min(max(wish, self.fewest_epochs), self.most_epochs)


def effective_steps(n_steps: int, momentum: float) -> float:
    """Count the plain steps that add up to as many gradients as `n_steps` with momentum.

    The sum of the coefficients with which the gradients enter: tau - m (1 - m**tau) / (1 - m), over
    1 - m. Wang, Liu, Liang, Joshi, Poor: Tackling the Objective Inconsistency Problem in
    Heterogeneous Federated Optimization. NeurIPS 2020. https://arxiv.org/abs/2007.07481
    """
    kept = 1 - momentum
    return (n_steps - momentum * (1 - momentum**n_steps) / kept) / kept
