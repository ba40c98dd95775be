"""The mask files of a site: DICOM ones from an index, the others by their names."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from medfl_client.config.mask_files import MaskFiles
from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.header import Row
from medfl_client.data.dicom.index import Progress
from medfl_client.data.reader import Reader


@dataclass(frozen=True, slots=True)
class MaskFile:
    """One mask file, and what joins it to an image."""

    path: str  # relative to the mask folder, with forward slashes
    size: int  # bytes
    mtime_ns: int
    kind: str  # dicom-seg, rtstruct, nifti, nrrd or png
    sop: str = ""
    patient: str = ""  # HMAC of the PatientID; empty: the file does not say it
    frames: tuple[str, ...] = ()  # FrameOfReferenceUIDs
    refers: tuple[str, ...] = ()  # UIDs of some images and series that it was made from
    structures: tuple[str, ...] = ()  # segment labels, ROI names; there may be more
    grid: tuple[int, int, str] = (0, 0, "")  # of a SEG: rows, columns, orientation


def find_masks(
    base: Path,
    state: Path,
    data: DataFiles,
    reader: Reader,
    rules: MaskFiles,
    watch: Callable[[str], Progress] | None,
    rows: Iterable[Row],
) -> tuple[list[MaskFile], dict[str, str]]:
    """List the mask files of a site, and path -> reason of those that cannot be used.

    Args:
        base: Where the paths of `data` begin.
        state: Where the index of another folder is kept.
        data: The site file's words on the images.
        reader: What reads the images.
        rules: The site file's words on the masks.
        watch: Names a long piece of work, gives what takes (done, of).
        rows: The index of the images; it serves where the masks lie among them.
    """
    raise NotImplementedError
