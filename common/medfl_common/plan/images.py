"""The plan's section on images: which take part, and how each becomes the same array."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medfl_common.plan.graph_files import GraphFile
from medfl_common.plan.settings import Matching, Number, Settings


class DicomWindow(Settings):
    """Use the window that the file itself carries (DICOM PS3.3 C.11.2)."""

    rule: Literal["dicom"] = "dicom"
    """Take the window of each file."""


class FixedWindow(Settings):
    """Use one window for every image."""

    rule: Literal["fixed"]
    """Take one window for all."""
    centre: Number
    """The value in the middle, in the units after rescale (CT: Hounsfield units)."""
    width: Number = Field(ge=1)
    """From black to white, in the same units."""


class PercentileWindow(Settings):
    """Stretch each image between two of its own percentiles."""

    rule: Literal["percentile"]
    """Take the window from the image's own values."""
    low: Annotated[Number, Field(ge=0, le=49)] = 1.0
    """The percentile that becomes black."""
    high: Annotated[Number, Field(ge=51, le=100)] = 99.0
    """The percentile that becomes white."""


Plane = Literal["axial", "coronal", "sagittal"]
SpecialImage = Literal["localizer", "mosaic", "screen", "subtraction"]
Intensity = DicomWindow | FixedWindow | PercentileWindow
Word = Annotated[str, Matching(r"[A-Z][A-Z0-9_ ]{0,15}", "DICOM's word, such as CT")]


class Patch(Settings):
    """The part of a volume that a network for masks or boxes looks at."""

    size: int = Field(ge=16, le=512)
    """Pixels on a side of a patch."""
    depth: int = Field(ge=4, le=512)
    """Slices of a patch."""
    foreground: Annotated[Number, Field(ge=0, le=1)] = 0.33
    """The part of the patches that is drawn around a voxel of a class, or a box; the others lie
    anywhere."""


class Images(Settings):
    """Which images take part, and how each becomes the same array everywhere."""

    modality: list[Word] = Field(min_length=1)
    """DICOM modalities that take part, such as `[DX, CR]`. Data that are not DICOM are `OT`."""
    view: list[Word] | Literal["any"] = "any"
    """Values of DICOM's ViewPosition that take part, such as `[PA, AP]`."""
    plane: Plane | Literal["any"] = "any"
    """The plane of the images or slices that take part, by DICOM's ImageOrientationPatient: the one
    that lies within 37 degrees. Images without an orientation take part in `any` only."""
    image_types: list[SpecialImage] = Field(default_factory=list)
    """Special pictures that take part beside ordinary ones, told by DICOM's ImageType: `localizer`
    (scouts), `mosaic` (a volume's slices in one picture), `screen` (screen saves and reports),
    `subtraction`. Without it they are left out."""
    sample: Literal["image", "series", "study", "candidate"] = "image"
    """What has one label and is one input of the network. A `series` or `study` gives its volume
    (of a study: the series with the most images), or in 2D its middle image. A `candidate` gives
    the patch around a position in a series; beyond the volume the patch is black."""
    frames: Literal["all", "middle"] = "all"
    """Of a multi-frame file: every frame is an image, or only the middle one."""
    dimensions: Literal[2, 3] = 2
    """2: the network sees images. 3: it sees volumes."""
    size: int = Field(ge=16, le=2048)
    """Pixels on a side. An image keeps its shape and is padded with black."""
    depth: int | None = Field(default=None, ge=4, le=512)
    """Slices of a volume; 3D only."""
    spacing_mm: Annotated[Number, Field(gt=0, le=100)] | None = None
    """Millimetres between pixels after resampling; what is larger than `size` is cropped around
    its centre. Without it the image is fitted into `size`."""
    slice_mm: Annotated[Number, Field(gt=0, le=100)] | None = None
    """Millimetres between slices after resampling; 3D only."""
    patch: Patch | None = None
    """For a segmentation or detection in volumes: they keep a size of their own, of `size` and
    `depth` at the most, and the network trains on patches that are drawn from them. Whole volumes
    are scored through a window of this size that slides over them."""
    channels: Literal[1, 3] = 1
    """Channels of the network's input. 3 repeats a grey image, for networks made for colour."""
    colour: bool = False
    """`true` keeps red, green and blue; `false` turns colour into grey."""
    bits: Literal[8, 16] = 8
    """Bits a pixel in the site's cache."""
    intensity: Annotated[Intensity, Field(discriminator="rule")] = DicomWindow()
    """How stored values become black to white."""
    graph: GraphFile | None = None
    """A step on each image that the plan brings as data: from what the network would see to what it
    sees, of one shape. `medfl-sim graph-step` writes it."""

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
        if self.patch is not None:
            self._check_patch(self.patch)
        if self.colour and (self.channels == 1 or self.dimensions == 3):
            raise ValueError("colour needs channels: 3 and dimensions: 2")
        return self

    def _check_patch(self, patch: Patch) -> None:
        if self.dimensions == 2 or None in (self.spacing_mm, self.slice_mm):
            raise ValueError("patch needs dimensions: 3, spacing_mm and slice_mm")
        if patch.size > self.size or patch.depth > (self.depth or 0):
            raise ValueError("a patch is no larger than size and depth, the most that a volume has")

    def held(self, sides: tuple[int, ...]) -> tuple[int, ...]:
        """Give the sides in the cache of an image that has such sides at the plan's spacing.

        All have those of the plan; with `patch` each has its own, between a patch and the most.
        """
        if self.patch is None:
            return self.shape[1:]
        pairs = zip(sides, self.window, self.shape[1:], strict=True)
        return tuple(min(max(own, least), most) for own, least, most in pairs)

    @property
    def window(self) -> tuple[int, ...]:
        """Give what the network looks at: the patch, or the whole image, ([depth,] size, size)."""
        if self.patch is None:
            return self.shape[1:]
        return self.patch.depth, self.patch.size, self.patch.size

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape of one sample in the cache: (1 or 3, [depth,] size, size).

        With `patch` it is the largest.
        """
        depth = () if self.depth is None else (self.depth,)
        return (3 if self.colour else 1, *depth, self.size, self.size)

    @property
    def voxel_mm(self) -> tuple[float, ...] | None:
        """Give the mm from voxel to voxel along each axis, slices first; None: one is not known."""
        between = (self.slice_mm,) if self.dimensions == 3 else ()
        sides = (*between, self.spacing_mm, self.spacing_mm)
        known = tuple(side for side in sides if side is not None)
        return known if len(known) == len(sides) else None

    @property
    def distance_unit(self) -> str:
        """Say in what distances within an image are."""
        return "mm" if self.voxel_mm else "pixels"

    @property
    def aspect(self) -> float:
        """Give the depth of what the network looks at in its width, in mm; 1 where unknown."""
        if self.depth is None or self.spacing_mm is None or self.slice_mm is None:
            return 1.0
        depth, _, side = self.window
        return depth * self.slice_mm / (side * self.spacing_mm)
