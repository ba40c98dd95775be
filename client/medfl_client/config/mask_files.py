"""The site file's words on the masks of a segmentation."""

from typing import Annotated, Literal

from pydantic import Field

from medfl_common.plan.settings import Number, Settings


class MaskFiles(Settings):
    """Where the masks of a segmentation are, and what their names mean."""

    folder: str = ""
    """The folder with the mask files, sub-folders included; empty: `data.folder`, where DICOM SEG
    and RTSTRUCT usually lie among the images."""
    format: Literal["auto", "dicom-seg", "rtstruct", "nifti", "nrrd", "png"] = "auto"
    """The kind of mask files; `auto`: each file's own."""
    suffix: str = Field(default="", max_length=64)
    """NIfTI, NRRD and PNG masks have the path of their image with this before the extension, such
    as `_mask` for `a/scan.nii.gz` and `a/scan_mask.nii.gz`; or that of their series' folder, or its
    UID as their name; or they are the only one in the folder of the one series there, which has no
    DICOM mask. DICOM masks say themselves whose they are."""
    names: dict[str, str] = Field(default={})
    """Segment label, ROI name or grey value -> the plan's class, `background` or `ignore`; `*` and
    `?` stand for letters, as in `GTV*`, brackets for themselves. The first that fits counts. A name
    that is a class of the plan need not stand here."""
    empty: Literal["unknown", "background"] | None = None
    """What a class is in an image that has a mask, but no contour or segment of this class. Without
    it: background, and a mask that outlines nothing at all loses its image, until a person says
    here that nothing is there (`background`)."""
    threshold: Annotated[Number, Field(gt=0, le=1)] = 0.5
    """FRACTIONAL segments: from this part on a voxel belongs to the class."""
    priority: list[str] = Field(default=[])
    """Classes in the order in which they win where masks overlap; without it an image whose
    masks of two classes overlap is left out."""
    size: Literal["same", "any"] = "same"
    """PNG masks: `same` leaves out an image whose mask has other pixels; `any` stretches it."""
