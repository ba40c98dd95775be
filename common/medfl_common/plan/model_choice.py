"""The plan's section on the network, its layers and its start."""

from pathlib import PurePath
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medfl_common.plan.graph_files import Sha256, brought_in_words
from medfl_common.plan.settings import Number, Settings

GRAPH = "graph"  # the network that a plan brings as data


class WeightsFile(Settings):
    """Initial weights from the coordinator's file; hospitals get them with the first task."""

    file: str
    """A safetensors file, relative to the plan's file."""
    sha256: Sha256
    """The file's SHA-256, 64 hex digits."""


class LastLayers(Settings):
    """Train the head and the layers before it, and freeze the rest."""

    last: int = Field(ge=1, le=1000)
    """How many convolutions and dense layers are trained, each with its norm layer."""


class Adapters(Settings):
    """Small matrices beside frozen layers; they and the head are all that is trained and sent."""

    rank: int = Field(default=8, ge=1, le=256)
    """Values that an adapter passes on; less than its layer has."""
    where: Literal["attention", "dense", "all"] = "attention"
    """Beside which layers before the head. `attention`: queries, keys, values and what follows
    them; of a graph the dense layers whose names say so. `dense`: the other dense layers."""
    alpha: Annotated[Number, Field(gt=0, le=1024)] = 16.0
    """An adapter counts alpha / rank times; it scales the step, so other ranks keep the rate."""

    def in_words(self) -> str:
        """Say what is trained before the head."""
        beside = {"attention": "attention", "dense": "dense", "all": "attention and dense"}
        return f"adapters of rank {self.rank} beside its {beside[self.where]} layers"


class ModelChoice(Settings):
    """Which network, and from which weights it starts."""

    name: str
    """The network: a name from the list of models; `graph`: one that the plan brings as data."""
    file: str | None = None
    """`graph`: the file that `medfl-sim graph` wrote, relative to the plan's file. The coordinator
    sends it to the hospitals once."""
    sha256: Sha256 | None = None
    """`graph`: the file's SHA-256, 64 hex digits."""
    encoder: str | None = None
    """`unet`: the network whose layers look at the image, such as resnet18; without it its own. The
    page on models lists them."""
    width: Annotated[int, Field(ge=4, le=512)] | None = None
    """Segmentation networks: channels of the first level; each further level has twice as many, of
    `unet` up to 320. Without it 16, of segresnet_small 8."""
    levels: Annotated[int, Field(ge=2, le=7)] | None = None
    """Segmentation networks: resolutions, each half of the one above. Without it 2 to 6, so that
    the coarsest has 8 to 15 pixels on a side."""
    residual: bool = False
    """`unet`: each pair of convolutions is added to its input (He et al., CVPR 2016)."""
    deep_supervision: bool = False
    """Segmentation networks: coarser levels are trained on the mask too, each at half the weight of
    the one above (Lee et al., AISTATS 2015)."""
    norm: Literal["own", "none", "group", "batch"] = "own"
    """Norm layers. `own`: as published, where the network starts from published weights or has no
    choice; else group. The others stand in place of every norm layer."""
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """The part of the features that is dropped before the head."""
    weights: Literal["none", "imagenet", "kinetics"] | WeightsFile = "none"
    """Initial weights. `none`: drawn from the seed. `imagenet`, `kinetics`: torchvision's; the
    coordinator fetches them. Or a file of the coordinator's."""
    freeze: Literal["none", "all"] | LastLayers = "none"
    """What is not trained. `all`: everything but the head, which is always trained. Of a
    segmentation it is about the encoder alone."""
    adapters: Adapters | None = None
    """Train low-rank adapters and the head, and freeze the rest (Hu et al., ICLR 2022,
    https://arxiv.org/abs/2106.09685): of a ViT less than 1 % travels each round."""
    slices: Literal["mean", "max"] | None = None
    """For a 2D network on volumes: how it joins the features of the slices."""
    norm_layers: Literal["shared", "local"] = "shared"
    """`local`: norm layers stay at their site and are never averaged (FedBN; Li et al., ICLR 2021,
    https://arxiv.org/abs/2102.07623)."""

    @model_validator(mode="after")
    def _a_graph_has_its_file(self) -> Self:
        has_file = (self.file is not None, self.sha256 is not None)
        if has_file != ((self.name == GRAPH),) * 2:
            raise ValueError("file and sha256 belong to name: graph, and both to it")
        if self.name == GRAPH and not isinstance(self.weights, WeightsFile):
            raise ValueError("a graph starts from a file: set weights to {file, sha256}")
        return self

    @model_validator(mode="after")
    def _adapters_have_what_to_adapt(self) -> Self:
        if self.adapters is not None and self.freeze != "none":
            raise ValueError("model.adapters freezes all but adapters and head; leave model.freeze")
        if self.adapters is not None and self.weights == "none":
            raise ValueError(
                "model.adapters leaves the network as it is, and with weights: none it has learnt "
                "nothing; set model.weights to imagenet or a file"
            )
        return self

    @property
    def called(self) -> str:
        """Name the network: of one that the plan brings, its file."""
        return self.name if self.file is None else PurePath(self.file).stem

    def in_words(self) -> str:
        """Name the network, and say where it is from."""
        if self.file is not None and self.sha256 is not None:
            return brought_in_words(self.file, self.sha256)
        if self.encoder is not None:
            return f"{self.name} on the layers of {self.encoder}"
        return self.name

    @property
    def frozen(self) -> str:
        """Say what is not trained, for tables."""
        if self.adapters is None:
            return str(self.freeze)
        return f"all but {self.adapters.in_words()}"
