"""One file's header to one row of the index: facts that a study needs, the patient as an HMAC."""

import hmac
import os
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from medfl_client.data.dicom.annotation import (
    RTSTRUCT,
    frames_of,
    joined,
    packed_names,
    refers_of,
    structures_of,
)
from medfl_client.data.dicom.frames import OWN, frame_facts
from medfl_client.data.dicom.kinds import image_type_of, laterality_of, view_of
from medfl_client.data.dicom.notes import notes_of
from medfl_client.data.dicom.numbers import first_number, items_of, whole_number
from medfl_client.data.dicom.plane import common_orientation
from medfl_client.data.dicom.reading import HEADER_TAGS, MAX_FRAMES, read_header
from medfl_client.data.dicom.spacing import known_spacing
from medfl_client.data.dicom.text import PADDING, decoded
from medfl_common.errors import ConfigError, DataError

MAX_TEXT = 1024  # letters of one element that are kept
MAX_INT = 2**31  # larger numbers in a header are no numbers
MAX_AGE = 90  # years; older patients are counted together
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # and its multi-frame kin below it


@dataclass(frozen=True, slots=True)
class Row:
    """One file under the data folder, or one image of a file that holds many."""

    path: str  # relative to the data folder, with forward slashes
    item: str = ""  # which image of the file, where a file is not one DICOM instance
    size: int = 0  # bytes
    mtime_ns: int = 0
    sop: str = ""
    series: str = ""
    study: str = ""
    patient: str = ""  # HMAC of the PatientID
    accession: str = ""  # HMAC of the AccessionNumber; empty: none
    modality: str = ""
    manufacturer: str = ""
    model: str = ""
    year: int = 0  # of the study; 0: unknown
    sex: str = ""
    age: int = -1  # years, MAX_AGE and above as one; -1: unknown
    body_part: str = ""
    view: str = ""  # ViewPosition, or what ViewCodeSequence says
    laterality: str = ""
    height: int = 0  # pixels
    width: int = 0
    frames: int = 1
    samples: int = 1  # per pixel: 1 grey or palette, 3 colour
    bits: int = 0  # stored
    photometric: str = ""
    spacing_mm: float = 0.0  # between rows; 0: unknown
    slice_mm: float = 0.0  # SliceThickness; 0: unknown
    position: str = ""  # ImagePositionPatient, mm: x\\y\\z
    orientation: str = ""  # ImageOrientationPatient
    instance: int = 0  # InstanceNumber
    burned_in: int = 0  # 1: patient data may be written into the image
    image_type: str = ""  # ImageType, values apart by a backslash
    frame_uid: str = ""  # FrameOfReferenceUID; of a structure set all, values apart by a backslash
    refers: str = ""  # UIDs of images and series that an annotation was made from, some of them
    structures: str = ""  # names of what it outlines, as JSON; the first that fit
    notes: str = ""  # what in the header may not be meant: words of notes.py, apart by blanks
    tag_label: str = ""  # the tag that the site file names as label
    reason: str = ""  # why the file was refused; empty: it can be used

    @property
    def name(self) -> str:
        """Give what a person finds it by: the path, and the image's place in the file."""
        return f"{self.path}#{self.item}" if self.item else self.path


@dataclass(frozen=True)
class Rules:
    """What reading a header depends on, apart from the file."""

    secret: bytes  # key of the HMACs
    label_tag: str = ""  # keyword of the tag that is the label; empty: none
    patient_from_study: bool = False  # a file without PatientID: its study stands for the patient

    def __post_init__(self) -> None:
        """Raise ConfigError where the label's tag is none that DICOM knows (PS3.6)."""
        if self.label_tag and tag_for_keyword(self.label_tag) is None:
            raise ConfigError(
                f"data.label_tag {self.label_tag!r} is not a keyword of a DICOM tag",
                todo="write one of PS3.6, such as ProtocolName",
                data="no file was read",
            )


def read_row(path: Path, name: str, rules: Rules) -> Row:
    """Read one file into a row; `name` is its path in the index.

    Raises DataError with the reason where the file cannot be used.
    """
    facts = os.stat(path, follow_symlinks=False)
    header = read_header(path, rules.label_tag)
    charset = _text(header, _CHARSET)
    texts = {tag: _text(header, number, charset) for tag, number in _TEXTS.items()}
    texts["PatientID"] = texts["PatientID"] or texts["StudyInstanceUID"] * rules.patient_from_study
    height, width = _number(header, "Rows"), _number(header, "Columns")
    _refuse_missing(texts, height, width)
    frame, modality = frame_facts(header, 0), texts["Modality"]
    return Row(
        path=name,
        size=facts.st_size,
        mtime_ns=facts.st_mtime_ns,
        sop=texts["SOPInstanceUID"],
        series=texts["SeriesInstanceUID"],
        study=texts["StudyInstanceUID"],
        patient=pseudonym(rules.secret, texts["PatientID"]),
        accession=_pseudonym_or_none(rules.secret, texts["AccessionNumber"]),
        modality=modality,
        manufacturer=texts["Manufacturer"],
        model=texts["ManufacturerModelName"],
        year=_int(texts["StudyDate"][:4]),
        sex=texts["PatientSex"],
        age=_age(texts["PatientAge"]),
        body_part=texts["BodyPartExamined"],
        view=view_of(header),
        laterality=laterality_of(header, frame),
        height=height,
        width=width,
        frames=max(_int(texts["NumberOfFrames"]), 1),
        samples=_number(header, "SamplesPerPixel") or 1,
        bits=_number(header, "BitsStored"),
        photometric=texts["PhotometricInterpretation"],
        spacing_mm=(known_spacing(frame) or (0.0,))[0],
        slice_mm=_first(frame, "SliceThickness"),
        position=texts["ImagePositionPatient"],
        orientation=texts["ImageOrientationPatient"] or _orientation(header, frame),
        instance=_int(texts["InstanceNumber"]),
        burned_in=int(_may_be_burned_in(texts)),
        image_type=image_type_of(header),
        frame_uid=joined(frames_of(header, modality, texts["FrameOfReferenceUID"])),
        refers=joined(refers_of(header, modality)),
        structures=packed_names(structures_of(header, modality, charset)),
        notes=notes_of(frame),
        tag_label=_text(header, Tag(rules.label_tag), charset) if rules.label_tag else "",
    )


def _refuse_missing(texts: dict[str, str], height: int, width: int) -> None:
    for tag in ("PatientID", "SOPInstanceUID", "StudyInstanceUID"):
        if not texts[tag]:
            raise DataError(f"{tag} is missing or empty")
    if not (height and width) and texts["Modality"] != RTSTRUCT:
        raise DataError("no image (Rows or Columns is missing)")
    if _int(texts["NumberOfFrames"]) > MAX_FRAMES:
        raise DataError(
            f"NumberOfFrames (0028,0008) is {texts['NumberOfFrames'][:20]}; at most {MAX_FRAMES} "
            "are possible"
        )


def pseudonym(secret: bytes, patient_id: str) -> str:
    """HMAC-SHA256 of a normalised PatientID, in hex.

    Blanks, letter case and the way in which Unicode writes a letter do not matter; zeros do.
    """
    text = unicodedata.normalize("NFKC", patient_id.strip(PADDING)).strip().upper()
    return hmac.new(secret, text.encode(), sha256).hexdigest()


def _pseudonym_or_none(secret: bytes, text: str) -> str:
    return pseudonym(secret, text) if text else ""


def _may_be_burned_in(texts: dict[str, str]) -> bool:
    """Say whether text may stand in the image: declared, a screen copy, or ultrasound.

    BurnedInAnnotation (0028,0301) says so if it is there; else the kind of image tells.
    """
    if texts["BurnedInAnnotation"]:
        return texts["BurnedInAnnotation"] == "YES"
    is_copy = texts["SOPClassUID"].startswith(SECONDARY_CAPTURE) or bool(texts["ConversionType"])
    return is_copy or texts["Modality"] == "US"


_CHARSET = Tag("SpecificCharacterSet")
_ORIENTATION = Tag("ImageOrientationPatient")
_NUMBERS = {"Rows", "Columns", "SamplesPerPixel", "BitsStored"}
_TEXTS: dict[str, BaseTag] = {tag: Tag(tag) for tag in HEADER_TAGS if tag not in _NUMBERS}


def _text(header: Dataset, tag: BaseTag, charset: str = "") -> str:
    """Give an element's text, values apart by a backslash; empty where there is none.

    It is taken from the bytes: pydicom's own conversion costs more than reading the file.
    """
    element = header.get_item(tag)
    value = None if element is None else element.value
    if isinstance(value, bytes):
        return decoded(value[: 4 * MAX_TEXT], charset)[:MAX_TEXT]
    if value is None:
        return ""
    converted = header[tag].value
    is_many = not isinstance(converted, str) and hasattr(converted, "__iter__")
    text = "\\".join(map(str, converted)) if is_many else str(converted).strip(PADDING)
    return text[:MAX_TEXT].encode("utf-8", "replace").decode()  # SQLite takes no half letters


def _orientation(header: Dataset, frame: Dataset) -> str:
    """Give the orientation in the functional groups: the shared one, or that of all frames."""
    own = [
        _text(place, _ORIENTATION)
        for groups in items_of(header, OWN)
        for place in items_of(groups, "PlaneOrientationSequence")[:1]
    ]
    return common_orientation(own) or _text(frame, _ORIENTATION)


def _number(header: Dataset, tag: str) -> int:
    element = header.get_item(tag)
    if element is None or element.value in (None, b""):
        return 0
    if isinstance(element.value, bytes) and len(element.value) == 2:
        is_little = getattr(element, "is_little_endian", True)
        return int.from_bytes(element.value, "little" if is_little else "big")
    return whole_number(header, tag) or 0


def _int(text: str) -> int:
    """Read the first whole number of a text; 0 where there is none that fits a table."""
    with suppress(ValueError):
        number = int(text.split("\\")[0])
        return number if abs(number) < MAX_INT else 0
    return 0


def _first(facts: Dataset, keyword: str) -> float:
    """Give the first value of an element of numbers; 0 where there is none."""
    with suppress(DataError):
        return first_number(facts, keyword) or 0.0
    return 0.0


def _age(text: str) -> int:
    """Read an age string (PS3.5 6.2): 045Y, 006M, 012W, 003D. -1 where there is none."""
    with suppress(ValueError):
        years = int(text[:3]) / {"Y": 1, "M": 12, "W": 52, "D": 365}.get(text[3:4], 1)
        return min(int(years), MAX_AGE)
    return -1
