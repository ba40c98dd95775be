"""Boxes from a folder of XML files of PASCAL VOC, one for each image.

Everingham et al.: The PASCAL Visual Object Classes Challenge. IJCV 88 (2010); development kit, 3.3:
xmin, ymin, xmax and ymax are the first and the last column and row of pixels in the box, counted
from 1. A file belongs to the image with its name; what it says in `filename` is often another's.
"""

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from medfl_client.data.boxes.listed import (
    MAX_LETTERS,
    Entry,
    Listed,
    corners,
    number,
    read_list,
)
from medfl_client.data.listing import list_files
from medfl_common.errors import DataError

MAX_FILE = 2**24  # bytes of one file
MAX_DEPTH = 16  # of elements in elements
MAX_TEXT = 4096  # letters in one element
SIDES = ("xmin", "ymin", "xmax", "ymax")


def read_folder(folder: Path) -> dict[str, Entry]:
    """Read a folder: path of a file, as its image but for the ending -> what is said of it.

    A file without objects says that nothing is there. A damaged one costs its image.
    """
    if not folder.is_dir():
        raise DataError(
            f"the folder of boxes {folder.resolve()} is not a folder",
            todo="set data.boxes.file in site.yaml to the folder of XML files",
        )
    found = {}
    for file in list_files(folder):
        if not file.path.lower().endswith(".xml"):
            continue
        entry = found[file.path] = Entry("its file")
        if file.reason:
            entry.blame("its file", file.reason)
        elif file.size > MAX_FILE:
            entry.blame("its file", f"it has more than {MAX_FILE // 2**20} MB")
        else:
            _read(read_list(folder / file.path), entry)
    if not found:
        raise DataError(
            f"the folder of boxes {folder.resolve()} has no XML file",
            todo="set data.boxes.file in site.yaml to the folder of XML files",
        )
    return found


def _read(content: bytes, entry: Entry) -> None:
    try:
        objects, size = _parsed(content)
        entry.size = _size(size)
    except ValueError as error:
        entry.blame("its file", str(error))
        return
    for place, one in enumerate(objects, start=1):
        where = f"object {place}"
        name = one.get("name", "").strip()[:MAX_LETTERS]
        if not name:
            entry.blame(where, "the box has no class")
            continue
        try:
            numbers = [number(one.get(side), side) for side in SIDES]
            entry.add(Listed(where, name, corners(numbers, "pixels_from_1")))
        except ValueError as error:
            entry.add(Listed(where, name, (), str(error)))
    if not objects:
        entry.nothing = "its file"


def _size(size: dict[str, str]) -> tuple[int, int] | None:
    width, height = (number(size.get(key, "0"), key) for key in ("width", "height"))
    if width == height == 0:  # some tools leave it open
        return None
    if width < 1 or height < 1:
        raise ValueError("width or height is what no image has")
    return int(width), int(height)


@dataclass
class _Seen:
    """What was met in a file so far."""

    path: list[str] = field(default_factory=list)  # the elements that are open
    text: list[str] = field(default_factory=list)
    n_letters: int = 0
    size: dict[str, str] = field(default_factory=dict)
    objects: list[dict[str, str]] = field(default_factory=list)

    def open(self, name: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        self.path.append(name)
        self.text, self.n_letters = [], 0
        if len(self.path) > MAX_DEPTH:
            raise ValueError("it is nested too deep")
        if len(self.path) == 1 and name != "annotation":
            raise ValueError("it is no annotation of PASCAL VOC")
        if self.path[1:] == ["object"]:
            self.objects.append({})

    def read(self, text: str) -> None:
        """Take text of the innermost element."""
        self.n_letters += len(text)
        if self.n_letters > MAX_TEXT:
            raise ValueError("it has an element with too much text")
        self.text.append(text)

    def close(self, name: str) -> None:
        """End an element."""
        within, text = self.path[1:-1], "".join(self.text).strip()
        if within == ["size"]:
            self.size[name] = text
        elif within == ["object", "bndbox"] or (within == ["object"] and name == "name"):
            self.objects[-1][name] = text
        self.path.pop()
        self.text, self.n_letters = [], 0


def _parsed(content: bytes) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Give name and sides of each object, and the size; raises ValueError for another file.

    A document type is refused: with it come entities, that multiply or name other files.
    """
    seen = _Seen()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_type
    parser.StartElementHandler = seen.open
    parser.CharacterDataHandler = seen.read
    parser.EndElementHandler = seen.close
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(f"it is no XML (line {error.lineno})") from None
    except LookupError:
        raise ValueError("it is in an encoding that is not known") from None
    return seen.objects, seen.size


def _refuse_type(*declared: object) -> None:
    raise ValueError("it has a document type (DTD), which no list of boxes needs")
