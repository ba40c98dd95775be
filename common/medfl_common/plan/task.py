"""The plan's section on the question: its type and classes."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medfl_common.plan.settings import Settings

UNKNOWN_VOXEL = 255  # in a mask: nobody says of which class this pixel or voxel is


class Task(Settings):
    """What the model is asked."""

    type: Literal["binary", "multiclass", "multilabel", "ordinal", "segmentation", "detection"]
    """The kind of question. `multilabel`: an image may have none, one or many findings.
    `ordinal`: the classes have an order, such as grades; medfl trains it as multiclass and also
    reports the quadratic kappa. `segmentation`: each pixel or voxel has one class; the labels are
    masks. `detection`: where in an image findings are; the labels are boxes."""
    classes: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        min_length=1, max_length=64
    )
    """The classes in the order of the model's outputs. `binary`: the negative one first.
    `ordinal`: from least to most. `multilabel`: the findings. `segmentation`: the background
    first, then what is outlined. `detection`: what is boxed; one is enough."""

    @model_validator(mode="after")
    def _classes_fit(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("each class may be named once")
        if len(self.classes) < 2 and self.type != "detection":
            raise ValueError(f"a {self.type} task has two classes at the least")
        if self.type == "binary" and len(self.classes) != 2:
            raise ValueError("a binary task has two classes: the negative one, then the positive")
        return self

    @property
    def is_one_of_many(self) -> bool:
        """Say whether an image has exactly one class out of a list: multiclass and ordinal."""
        return self.type in ("multiclass", "ordinal")

    @property
    def has_masks(self) -> bool:
        """Say whether an image's label is a mask: each pixel or voxel has a class."""
        return self.type == "segmentation"

    @property
    def has_boxes(self) -> bool:
        """Say whether an image's label is boxes."""
        return self.type == "detection"

    @property
    def is_dense(self) -> bool:
        """Say whether the network answers for each pixel or voxel, and not for the image."""
        return self.has_masks or self.has_boxes

    @property
    def has_several(self) -> bool:
        """Say whether one image may count for several classes: their counts do not add up."""
        return self.type == "multilabel" or self.is_dense

    @property
    def foreground(self) -> list[str]:
        """Give the classes that are somewhere in an image: all but a segmentation's background."""
        return self.classes[1:] if self.has_masks else self.classes

    @property
    def n_outputs(self) -> int:
        """Count the model's outputs: one logit for binary, else one per class (of each voxel)."""
        return 1 if self.type == "binary" else len(self.classes)

    @property
    def confusion_shape(self) -> tuple[int, ...]:
        """Give the shape of the confusion counts: (K, K), or (K, 2, 2) for multilabel."""
        k = len(self.classes)
        return (k, 2, 2) if self.type == "multilabel" else (k, k)
