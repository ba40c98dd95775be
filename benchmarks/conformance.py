"""Which files decode, and to what: pydicom's own test files, and a folder of conformance files.

    conformance.py [FOLDER]

Oracle: pydicom's `pixel_array` with the same decoders, value by value.
"""

import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from medfl_client.data.dicom.frames import decode, n_frames
from medfl_client.data.dicom.pixels import open_image
from medfl_common.errors import DataError


def judge(path: Path) -> tuple[str, str]:
    """Give (transfer syntax, what became of it)."""
    try:
        header = dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError, ValueError):
        return "", "no DICOM file, or damaged: refused"
    syntax = header.file_meta.get("TransferSyntaxUID", UID("")).name or "no transfer syntax"
    try:
        expected = dcmread(path).pixel_array
    except Exception:
        expected = None
    try:
        dataset = open_image(path)
        stored = np.stack([decode(dataset, i)[0] for i in range(n_frames(dataset))])
    except (DataError, ValueError, AttributeError) as error:
        if expected is not None:
            return syntax, f"REFUSED, THOUGH PYDICOM DECODES IT: {error}"
        has_pixels = "no PixelData" not in str(error)
        return syntax, "refused with a reason" if has_pixels else "no image: refused"
    if expected is None:
        return syntax, "decoded, though pydicom does not"
    same = np.array_equal(stored.reshape(expected.shape), expected)
    return syntax, "the same values" if same else "OTHER VALUES"


def main() -> None:
    warnings.simplefilter("ignore")
    folders = [Path(pydicom.__file__).parent / "data", *map(Path, sys.argv[1:])]
    for folder in folders:
        counts = Counter(judge(path) for path in sorted(folder.rglob("*")) if path.is_file())
        print(f"{sum(counts.values())} files of {folder.name}")
        for (syntax, what), n in sorted(counts.items()):
            print(f"| {syntax or '-'} | {what} | {n} |")


if __name__ == "__main__":
    main()
