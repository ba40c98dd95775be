"""The site file's words on the boxes of a detection."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medfl_common.plan.settings import Settings

NIH_COLUMNS = ("Bbox [x", "y", "w", "h]")
BoxJoin = Literal[
    "path", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID",
    "AccessionNumber",
]  # fmt: skip
Side = Annotated[int, Field(ge=1, le=100_000)]


class BoxFiles(Settings):
    """Where the boxes of a detection are, and what their names mean."""

    file: str = ""
    """The list of boxes: a CSV or a JSON file; for `voc` the folder of XML files."""
    format: Literal["csv", "nih", "coco", "voc"] = "csv"
    """`nih`: the list of ChestX-ray14, with `Image Index`, `Finding Label` and `Bbox [x,y,w,h]`.
    `coco`: JSON with images, annotations and categories. `voc`: an XML file of PASCAL VOC for each
    image, with the image's name. CSVs are read with `data.encoding` and `data.cell_separator`."""
    join: BoxJoin = "path"
    """What the list calls an image by. `path`: relative to `data.folder`; in other letter case,
    without folders or without its ending only where one image can be meant. A list of another
    format than `csv` has paths."""
    image_column: str = ""
    """CSV: the column that says of which image a box is."""
    class_column: str = ""
    """CSV: the column that says what is in a box; empty: all are of the plan's one class."""
    frame_column: str = ""
    """CSV: the column with the frame of a multi-frame file, from 1. A frame without a line is not
    listed."""
    columns: list[str] = Field(default=[])
    """CSV: the four columns of a box."""
    box: Literal["corners", "pixels", "pixels_from_1", "size"] = "corners"
    """What the four columns are: x and y of two corners, from the upper left corner of the image
    (`corners`); the first and the last column and row of pixels that are in the box, counted from 0
    (`pixels`) or from 1, as PASCAL VOC does (`pixels_from_1`): `[x_min, y_min, x_max, y_max]`. Or
    a corner, width and height (`size`): `[x, y, width, height]`."""
    position_columns: list[str] = Field(default=[])
    """CSV, for volumes: the columns of x, y and z of a finding's centre, in mm to the patient's
    left, back and head, as ImagePositionPatient has them."""
    diameter_column: str = ""
    """CSV, for volumes: the column of a finding's diameter, in mm."""
    image_size: list[Side] = Field(default=[])
    """`[width, height]` of the images that the boxes were drawn on, where the files have other
    pixels; with `nih` 1024 and 1024 where nothing is said. COCO and VOC say it themselves."""
    names: dict[str, str] = Field(default={})
    """What the list calls a finding -> the plan's class; `none`, where the name says that nothing
    is there, such as `No finding`; or `ignore`. `*` and `?` stand for letters, brackets for
    themselves. The first that fits counts. A name that is a class of the plan need not stand
    here."""
    classes: list[str] = Field(default=[])
    """The classes of the plan that the list is about; empty: all. Of the others nobody knows: their
    boxes are passed over, and this site's images neither train nor score them."""
    unlisted: Literal["leave out", "none"] = "leave out"
    """What becomes of an image, or frame, that the list does not name: it is left out; or nothing
    is there (`none`)."""
    max_unjoined: float = Field(default=0.05, ge=0, le=1)
    """With `unlisted: none`: the part of the images with boxes in the list that may be of no image
    here. With more the site stops: a list that does not join would make each image one without a
    finding."""

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        own = {
            "image_column": self.image_column, "class_column": self.class_column,
            "frame_column": self.frame_column, "columns": self.columns,
            "position_columns": self.position_columns, "diameter_column": self.diameter_column,
        }  # fmt: skip
        if self.format != "csv":
            wrong = next((key for key, value in own.items() if value), "")
            if wrong:
                raise ValueError(f"{wrong} is of format: csv; {self.format} has its own names")
            if self.join != "path":
                raise ValueError(f"join belongs to format: csv; {self.format} names files")
            if self.box != "corners":
                raise ValueError(f"box belongs to format: csv; {self.format} has its own way")
        if self.image_size and self.format in ("coco", "voc"):
            raise ValueError(f"image_size is of a CSV; {self.format} says it itself")
        if len(self.image_size) not in (0, 2):
            raise ValueError(f"image_size is [width, height], not {self.image_size}")
        return self

    @model_validator(mode="after")
    def _places_are_whole(self) -> Self:
        if self.format != "csv" or not self.file:
            return self
        if not self.image_column:
            raise ValueError("a CSV of boxes needs image_column: which image a box is of")
        if bool(self.columns) == bool(self.position_columns):
            raise ValueError("a CSV of boxes needs columns, or position_columns and a diameter")
        if self.columns and not len(set(self.columns)) == len(self.columns) == 4:
            raise ValueError(f"columns names the four columns of a box, not {self.columns}")
        places = self.position_columns
        if places and not len(set(places)) == len(places) == 3:
            raise ValueError(f"position_columns names the columns of x, y and z, not {places}")
        if bool(places) != bool(self.diameter_column):
            raise ValueError("position_columns and diameter_column belong together")
        if places and (self.image_size or self.frame_column):
            raise ValueError("positions in mm need no image_size and no frame_column")
        return self
