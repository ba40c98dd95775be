"""What in a header cannot be read, by tag and value: asked after a reader came to an odd end."""

from contextlib import suppress
from pathlib import Path

from pydicom.datadict import dictionary_VM, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from medfl_client.data.dicom.reading import read_header, read_image

UNNAMED = "the file is damaged: its content is not what it says"
# Their values name people.
_IDENTITY = {"PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID"}
_LONGEST = 40  # letters of a value that are shown


def find_fault(path: Path) -> str:
    """Name the first element that cannot be what its tag is, or say that the file is damaged."""
    for read in (read_header, read_image):
        with suppress(Exception):  # what cannot be read at all has no tag to name
            dataset = read(path)
            for tag in sorted(dataset.keys()):
                reason = _fault_of(dataset, BaseTag(tag))
                if reason:
                    return reason
    return UNNAMED


def _fault_of(dataset: Dataset, tag: BaseTag) -> str:
    raw = dataset.get_item(tag)
    value = getattr(raw, "value", None)
    try:
        element = dataset[tag]
    except Exception:  # of whatever kind: pydicom converts it here
        return f"{_named(tag, value)}; DICOM allows no such value"
    if element.VM > 1 and dictionary_VM(tag) == "1":
        return f"{_named(tag, value)}: {element.VM} values where one is allowed"
    return ""


def _named(tag: BaseTag, value: object) -> str:
    keyword = keyword_for_tag(tag) or "the element"
    name = f"{keyword} ({tag.group:04X},{tag.element:04X})"
    if keyword in _IDENTITY or not isinstance(value, bytes | str):
        return f"{name} is damaged"
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    shown = "".join(c if c.isprintable() else "." for c in text.strip(" \0"))[:_LONGEST]
    return f"{name} is '{shown}'"
