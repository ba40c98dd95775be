"""The study plan: one YAML file, data and never code, from which every site builds the same.

The canonical hash covers every value, defaults included, so two plans with one hash mean one study.
"""

import hashlib
import json
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medfl_common.plan.algorithms import why_unfit
from medfl_common.plan.federation import Federation
from medfl_common.plan.settings import Name, Number, Settings, check, load, matching
from medfl_common.plan.strict_yaml import Value

Probability = Annotated[Number, Field(ge=0, le=1)]


class Task(Settings):
    """What the model is asked."""

    # ordinal: classes with an order, such as grades of a disease; trained as multiclass, and judged
    # by the quadratic kappa too.
    type: Literal["binary", "multiclass", "multilabel", "ordinal"]
    # The classes in the order of the model's outputs; for binary: the negative one, the positive;
    # for ordinal: from least to most; for multilabel: the findings, of which an image may have
    # none, one or many.
    classes: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        min_length=2, max_length=64
    )

    @model_validator(mode="after")
    def _classes_fit(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("each class may be named once")
        if self.type == "binary" and len(self.classes) != 2:
            raise ValueError("a binary task has two classes: the negative one, then the positive")
        return self

    @property
    def is_one_of_many(self) -> bool:
        """Say whether an image has exactly one class out of a list: multiclass and ordinal."""
        return self.type in ("multiclass", "ordinal")

    @property
    def n_outputs(self) -> int:
        """Count the model's outputs: one logit for binary, else one per class."""
        return 1 if self.type == "binary" else len(self.classes)

    @property
    def confusion_shape(self) -> tuple[int, ...]:
        """Give the shape of the confusion counts: (K, K), or (K, 2, 2) for multilabel."""
        k = len(self.classes)
        return (k, 2, 2) if self.type == "multilabel" else (k, k)


class DicomWindow(Settings):
    """Use the window that the file itself carries (DICOM PS3.3 C.11.2)."""

    rule: Literal["dicom"] = "dicom"


class FixedWindow(Settings):
    """Use one window for every image, in the units after rescale (Hounsfield units for CT)."""

    rule: Literal["fixed"]
    centre: Number  # the grey value in the middle
    width: Number = Field(ge=1)  # from black to white


class PercentileWindow(Settings):
    """Stretch each image between two of its own percentiles."""

    rule: Literal["percentile"]
    low: Annotated[Number, Field(ge=0, le=49)] = 1.0
    high: Annotated[Number, Field(ge=51, le=100)] = 99.0


Intensity = DicomWindow | FixedWindow | PercentileWindow
Word = Annotated[str, matching(r"[A-Z][A-Z0-9_ ]{0,15}", "DICOM's word, such as CT")]


class Images(Settings):
    """Which images take part, and how each becomes the same array everywhere."""

    modality: list[Word] = Field(min_length=1)
    view: list[Word] | Literal["any"] = "any"  # ViewPosition, such as [PA, AP]
    # What has one label and is one input of the network. A series or study gives its volume, or,
    # in 2D, its middle picture; of a study, the series with the most pictures counts. A candidate
    # is a place in a series, such as a nodule's; a series may have many. It gives the patch around
    # it, of size x size x depth voxels, spacing_mm and slice_mm apart; black beyond the volume.
    sample: Literal["image", "series", "study", "candidate"] = "image"
    frames: Literal["all", "middle"] = "all"  # of a multi-frame file: each is an image, or one is
    dimensions: Literal[2, 3] = 2
    size: int = Field(ge=16, le=2048)  # pixels on a side; the picture keeps its shape, padded
    depth: int | None = Field(default=None, ge=4, le=512)  # 3D: slices
    # Millimetres between pixels, and between slices, after resampling; what is larger than the
    # size is cropped around its centre. Not given: the picture is fitted into the size.
    spacing_mm: Annotated[Number, Field(gt=0, le=100)] | None = None
    slice_mm: Annotated[Number, Field(gt=0, le=100)] | None = None
    channels: Literal[1, 3] = 1  # 3 repeats a grey picture for networks made for colour
    colour: bool = False  # true: red, green and blue are kept; false: colour becomes grey
    bits: Literal[8, 16] = 8  # depth of the cache
    intensity: Annotated[Intensity, Field(discriminator="rule")] = DicomWindow()

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if (self.dimensions == 3) != (self.depth is not None):
            raise ValueError("depth belongs to dimensions: 3, and must be given there")
        if self.dimensions == 3 and self.sample == "image":
            raise ValueError("a volume is made of a series or a study; set sample to one of them")
        if self.slice_mm is not None and self.dimensions == 2:
            raise ValueError("slice_mm belongs to dimensions: 3")
        spacings = (self.spacing_mm, self.slice_mm)
        if self.sample == "candidate" and (self.dimensions == 2 or None in spacings):
            raise ValueError(
                "sample: candidate is a patch of so many millimetres: it needs dimensions: 3, "
                "depth, spacing_mm and slice_mm"
            )
        if self.colour and (self.channels == 1 or self.dimensions == 3):
            raise ValueError("colour needs channels: 3 and dimensions: 2")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape of one sample in the cache: (1 or 3, [depth,] size, size)."""
        depth = () if self.depth is None else (self.depth,)
        return (3 if self.colour else 1, *depth, self.size, self.size)


class WeightsFile(Settings):
    """Start weights from the coordinator's file; hospitals get them with the first task."""

    file: str  # safetensors, relative to the plan's file
    sha256: Annotated[str, matching(r"[0-9a-f]{64}", "the file's SHA-256, 64 hex digits")]


class LastLayers(Settings):
    """Train the head and the layers before it, and freeze the rest."""

    last: int = Field(ge=1, le=1000)  # convolutions and dense layers, each with its norm layer


class ModelChoice(Settings):
    """Which network, by its name in common/medfl_common/models, from which start."""

    name: str
    # own: as the network was published where it starts from published weights, or has no choice;
    # else group. batch, group, none: in place of every norm layer.
    norm: Literal["own", "none", "group", "batch"] = "own"
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.0  # of the features, before the head
    # none: drawn from the seed; imagenet, kinetics: torchvision's, fetched by the coordinator.
    weights: Literal["none", "imagenet", "kinetics"] | WeightsFile = "none"
    freeze: Literal["none", "all"] | LastLayers = "none"  # the head is always trained
    # A 2D network on volumes looks at each slice; the features are joined over the slices so.
    slices: Literal["mean", "max"] | None = None
    # local: norm layers stay at their site and are never averaged (FedBN).
    # Li et al.: FedBN. ICLR 2021. https://arxiv.org/abs/2102.07623
    norm_layers: Literal["shared", "local"] = "shared"


class Augmentation(Settings):
    """Random changes to a training picture; all off by default, a volume changes as a whole."""

    flip: bool = False  # left-right mirror, half the time
    flip_vertical: bool = False  # head over heels, half the time; not for a chest
    rotation_deg: Annotated[Number, Field(ge=0, le=180)] = 0.0  # up to so much either way
    shift: Annotated[Number, Field(ge=0, le=0.5)] = 0.0  # part of the side, either way
    zoom: Annotated[Number, Field(ge=0, le=0.5)] = 0.0  # 0.1: between 0.9 and 1.1 times
    shear_deg: Annotated[Number, Field(ge=0, le=45)] = 0.0  # up to so much either way
    contrast: Annotated[Number, Field(ge=0, le=0.9)] = 0.0  # 0.2: between 0.8 and 1.2 times
    noise: Annotated[Number, Field(ge=0, le=0.5)] = 0.0  # standard deviation, black..white is 1


class Schedule(Settings):
    """How the step size changes over the rounds; within a round it is constant."""

    kind: Literal["constant", "cosine", "step"] = "constant"  # cosine: to 0 after the last round
    warmup_rounds: int = Field(default=0, ge=0, le=1000)  # from lr / (n + 1) up to lr
    every_rounds: int = Field(default=10, ge=1, le=10_000)  # step: so often ...
    factor: Annotated[Number, Field(gt=0, lt=1)] = 0.1  # ... multiplied by


class Training(Settings):
    """One site's local training in one round."""

    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: Annotated[Number, Field(gt=0, le=10)] = 0.01
    schedule: Schedule = Schedule()
    momentum: Annotated[Number, Field(ge=0, lt=1)] = 0.9  # sgd only
    weight_decay: Annotated[Number, Field(ge=0, le=1)] = 0.0
    epochs: int = Field(default=1, ge=1, le=1000)  # passes over the site's images per round
    batch_size: int = Field(default=32, ge=1, le=4096)
    # What makes up for rare classes at a site: nothing, a larger weight in the loss, or drawing
    # their images more often. Weights and chances go with one over the class's share.
    class_balance: Literal["none", "weights", "sampling"] = "none"
    label_smoothing: Annotated[Number, Field(ge=0, lt=1)] = 0.0  # Szegedy et al., CVPR 2016
    clip_norm: Annotated[Number, Field(gt=0)] | None = None  # largest norm of a step's gradient
    # auto: bfloat16 where the processor multiplies it in hardware, float16 on older GPUs.
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    # With freeze: all, the features of each image are computed once, not once an epoch; with
    # augmentation, of so many changed copies, of which an epoch takes one at random.
    feature_copies: int = Field(default=1, ge=1, le=64)
    # A file in client/medfl_client/training/objectives, in place of the algorithm's own half
    # at the sites.
    objective: str | None = None
    augmentation: Augmentation = Augmentation()


class Evaluation(Settings):
    """How the global model is scored at each site, on patients it is not trained on there."""

    validation: Annotated[Number, Field(ge=0, le=0.9)] = 0.2  # part of a site's patients
    threshold: Probability = 0.5  # binary and multilabel: positive at or above
    # What says which round's model is best; loss is the one that is best when low.
    metric: Literal["auc", "loss", "accuracy", "balanced_accuracy", "f1", "kappa"] = "auc"
    keep: Literal["best", "last"] = "best"  # which round's model is the study's result
    early_stop: Annotated[int, Field(ge=1, le=10_000)] | None = None  # rounds without a better one
    specificity: Annotated[Number, Field(gt=0, lt=1)] = 0.9  # sensitivity is reported at this one
    # The final model's scores by group of patients, where a site's policy lets them out.
    subgroups: list[Literal["sex", "age", "manufacturer"]] = Field(default=[])
    # For the subgroup manufacturer: DICOM's Manufacturer begins so; the rest counts as others.
    manufacturers: list[Annotated[str, Field(min_length=2, max_length=32)]] = Field(
        default=[], max_length=16
    )


class Plan(Settings):
    """A study, whole."""

    plan: Literal[1]  # version of this format
    study: Name
    seed: int = Field(ge=0, lt=2**63)
    deterministic: bool = True  # one CPU thread and fixed algorithms: the same bits everywhere
    task: Task
    images: Images
    model: ModelChoice
    training: Training = Training()
    federation: Federation
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        if self.model.slices is not None and self.images.dimensions == 2:
            raise ValueError("model.slices belongs to images.dimensions: 3")
        if unfit := why_unfit(self):
            raise ValueError(unfit)
        if "manufacturer" in self.evaluation.subgroups and not self.evaluation.manufacturers:
            raise ValueError("the subgroup manufacturer needs evaluation.manufacturers")
        return self

    def canonical(self) -> str:
        """Write the plan as JSON with sorted keys and every default: the text that is hashed."""
        return self._canonical

    def hash(self) -> str:
        """SHA-256 of the canonical text, in hex."""
        return self._hash

    def __copy__(self) -> Self:
        """Copy without what was computed: `model_copy` changes fields afterwards."""
        copied = super().__copy__()
        for computed in ("_canonical", "_hash"):
            copied.__dict__.pop(computed, None)
        return copied

    @cached_property
    def _canonical(self) -> str:
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @cached_property
    def _hash(self) -> str:
        return hashlib.sha256(self._canonical.encode()).hexdigest()


def load_plan(path: Path) -> Plan:
    """Read and check a plan file."""
    return load(Plan, path)


def plan_from_values(values: dict[str, Value]) -> Plan:
    """Check values that medfl itself put together."""
    return check(Plan, values, source="the plan")


@lru_cache(maxsize=4)
def plan_from_json(text: str) -> Plan:
    """Read a plan from its canonical text, as it comes with a task; checked like a file."""
    values: dict[str, Value] = json.loads(text)
    return check(Plan, values, source="the plan in the message")
