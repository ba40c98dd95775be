"""The mask files of a site: DICOM ones from an index, the others by their names."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from medfl_client.config.folder import StateFolder
from medfl_client.config.mask_files import MaskFiles
from medfl_client.config.secret_keys import site_secret
from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.annotation import MAKER, RTSTRUCT, SEG, unpacked_names
from medfl_client.data.dicom.header import Row, Rules
from medfl_client.data.dicom.index import Progress, scan
from medfl_client.data.dicom.index import rows as index_rows
from medfl_client.data.listing import list_files
from medfl_client.data.reader import DicomReader, Reader
from medfl_common.errors import DataError, system_reason

SEG_KIND, RTSTRUCT_KIND, NIFTI, NRRD, PNG = "dicom-seg", "rtstruct", "nifti", "nrrd", "png"
COPY = "copy of another mask file"
OF_A_MODEL = "medfl wrote it: what a model outlined is no truth"
KINDS = {SEG: SEG_KIND, RTSTRUCT: RTSTRUCT_KIND}  # by modality
ENDINGS = {".nii.gz": NIFTI, ".nii": NIFTI, ".nrrd": NRRD, ".png": PNG}


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
    folder = mask_folder(base, data)
    if not folder.is_dir():
        raise DataError(
            f"data.masks.folder {folder.resolve()} is not a folder", todo="set it in site.yaml"
        )
    masks, refused = list[MaskFile](), dict[str, str]()
    if rules.format in ("auto", SEG_KIND, RTSTRUCT_KIND):
        is_apart = folder != base / data.folder
        if is_apart or not isinstance(reader, DicomReader):
            rows = _index(folder, state, data, watch)
        for row in rows:
            _take(row, is_apart, masks, refused)
    for found in list_files(folder):
        kind = kind_of(found.path)
        if kind and not found.reason:
            masks.append(MaskFile(found.path, found.size, found.mtime_ns, kind))
            refused.pop(found.path, None)
    if rules.format != "auto":
        masks = [mask for mask in masks if mask.kind == rules.format]
    masks.sort(key=lambda mask: mask.path)
    return _without_copies(masks, folder, refused), refused


def mask_folder(base: Path, data: DataFiles) -> Path:
    """Give the folder with the mask files."""
    return base / (data.masks.folder or data.folder)


def kind_of(path: str) -> str:
    """Say what kind of mask a file's name promises; empty: DICOM, or none."""
    return next((kind for end, kind in ENDINGS.items() if path.lower().endswith(end)), "")


def _index(
    folder: Path, state: Path, data: DataFiles, watch: Callable[[str], Progress] | None
) -> Iterable[Row]:
    """Bring the index of the mask folder up to date."""
    database = StateFolder(state).mask_index
    rules = Rules(site_secret(state), "", data.patient_from_study)
    scan(
        folder,
        database,
        DicomReader(),
        rules,
        watch("read the headers of masks,") if watch else None,
    )
    return index_rows(database)


def _take(row: Row, is_apart: bool, masks: list[MaskFile], refused: dict[str, str]) -> None:
    """Make a mask file of a row; tell of medfl's own, and of what is none in a folder of masks."""
    if row.modality == SEG and (row.manufacturer, row.model) == (MAKER, MAKER):
        refused[row.path] = OF_A_MODEL
    elif not row.reason and row.modality in KINDS:
        masks.append(mask_of(row))
    elif is_apart and not kind_of(row.path):
        refused[row.path] = row.reason or f"modality {row.modality or 'missing'}: no mask"


def mask_of(row: Row) -> MaskFile:
    """Make a mask file of a row of the index."""
    return MaskFile(
        path=row.path,
        size=row.size,
        mtime_ns=row.mtime_ns,
        kind=KINDS[row.modality],
        sop=row.sop,
        patient=row.patient,
        frames=tuple(filter(None, row.frame_uid.split("\\"))),
        refers=tuple(filter(None, row.refers.split("\\"))),
        structures=unpacked_names(row.structures),
        grid=(row.height, row.width, row.orientation),
    )


def _without_copies(masks: list[MaskFile], folder: Path, refused: dict[str, str]) -> list[MaskFile]:
    """Leave out DICOM masks that are another's copy, byte for byte, under one UID."""
    n_alike: dict[tuple[str, int], int] = defaultdict(int)
    for mask in masks:
        n_alike[mask.sop, mask.size] += 1
    kept, seen = list[MaskFile](), set[tuple[str, bytes]]()
    for mask in masks:
        if mask.sop and n_alike[mask.sop, mask.size] > 1:
            try:
                with (folder / mask.path).open("rb") as file:
                    content = mask.sop, file_digest(file, "sha256").digest()
            except OSError as error:
                refused[mask.path] = f"the system cannot read the file ({system_reason(error)})"
                continue
            if content in seen:
                refused[mask.path] = COPY
                continue
            seen.add(content)
        kept.append(mask)
    return kept
