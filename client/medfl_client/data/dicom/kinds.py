"""What a picture is and what it shows, where a header says it in other places than usual."""

from contextlib import suppress
from typing import get_args

from pydicom.dataset import Dataset

from medfl_client.data.dicom.numbers import items_of, word, words
from medfl_common.errors import DataError
from medfl_common.plan.images import SpecialImage

# Values of ImageType (0008,0008) that say a picture is no ordinary one: CT's LOCALIZER (PS3.3
# C.8.2.1.1.1), Siemens' mosaics of a whole volume, pictures of a screen, and differences of images.
SPECIAL: dict[SpecialImage, frozenset[str]] = {
    "localizer": frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW"}),
    "mosaic": frozenset({"MOSAIC"}),
    "screen": frozenset({
        "SCREEN SAVE", "SCREEN_SAVE", "SCREENSAVE", "SCREENSHOT", "SCREEN CAPTURE", "VXTL STATE",
        "CSA REPORT", "REPORT", "DOSE REPORT", "DOSE_INFO", "DOSE INFO",
    }),
    "subtraction": frozenset({"SUBTRACTION", "SUBTRACTED", "SUBTRACT", "SUB"}),
}  # fmt: skip

# View codes of SNOMED CT and its older form -> DICOM's ViewPosition (PS3.16 CID 4014, 4010).
VIEWS = {
    "399162004": "CC", "R-10242": "CC", "399368009": "MLO", "R-10226": "MLO",
    "399260004": "ML", "R-10224": "ML", "399352003": "LM", "R-10228": "LM",
    "399099002": "LMO", "R-10230": "LMO", "399196006": "FB", "R-10244": "FB",
    "399188001": "SIO", "R-102D0": "SIO", "441555000": "ISO", "R-40AAA": "ISO",
    "399192008": "XCCL", "R-1024A": "XCCL", "399101009": "XCCM", "R-1024B": "XCCM",
    "399348003": "AP", "R-10206": "AP", "272479007": "PA", "R-40888": "PA", "R-10214": "PA",
    "399173006": "LL", "R-10236": "LL", "399198007": "RL", "R-10232": "RL",
}  # fmt: skip


def special_kind(image_type: str) -> tuple[SpecialImage | None, str]:
    """Give what kind of special picture an ImageType names, and by which word; None: none."""
    for part in image_type.upper().split("\\"):
        for kind in get_args(SpecialImage):
            if part.strip() in SPECIAL[kind]:
                return kind, part.strip()
    return None, ""


def view_of(header: Dataset) -> str:
    """Give the view: ViewPosition, else the code of ViewCodeSequence (PS3.3 C.8.11.7)."""
    found = word(header, "ViewPosition")
    with suppress(DataError):  # a damaged one says nothing
        for item in [] if found else items_of(header, "ViewCodeSequence")[:1]:
            found = VIEWS.get(word(item, "CodeValue"), "")
    return found


def laterality_of(header: Dataset, facts: Dataset) -> str:
    """Give the side: of the image, of the body part, or of the frame (PS3.3 C.7.6.16.2.8)."""
    own = word(header, "ImageLaterality") or word(header, "Laterality")
    return own or word(facts, "FrameLaterality")


def image_type_of(header: Dataset) -> str:
    """Give the values of ImageType, apart by a backslash."""
    return "\\".join(words(header, "ImageType"))
