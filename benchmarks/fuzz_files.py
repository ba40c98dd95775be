"""Mutated DICOM files through index and decoding: what becomes of each, and what crashes.

fuzz_files.py FOLDER [N] [SEED]      N mutations of pydicom's small test files; 3000 if not given
"""

import random
import sys
import time
from pathlib import Path

import pydicom

from medfl_client.data.dicom.header import Rules
from medfl_client.data.dicom.index import rows, scan
from medfl_client.data.reader import DicomReader, Source, pixel_work
from medfl_client.data.reasons import count_reasons
from medfl_client.data.sandbox import in_sandbox
from medfl_client.data.sandbox_wire import Refused
from medfl_common.plan.images import Images

PLAN = Images(modality=["CT"], size=32)
LARGEST = 150_000  # bytes of a file that is mutated
NUMBERS = (b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f")


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change bytes and lengths, cut and insert, mostly in the header."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 2, 4, 16))):
        at = rng.randrange(min(len(changed), 3000) if rng.random() < 0.7 else len(changed))
        kind = rng.random()
        if kind < 0.5:
            changed[at] = rng.randrange(256)
        elif kind < 0.7:
            changed[at : at + 4] = rng.choice(NUMBERS)
        elif kind < 0.85:
            del changed[at : at + rng.randrange(64)]
        else:
            changed[at:at] = rng.randbytes(rng.randrange(32))
    return bytes(changed)


def main() -> None:
    folder = Path(sys.argv[1])
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 7
    samples = sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))
    originals = [path.read_bytes() for path in samples if path.stat().st_size < LARGEST]
    rng = random.Random(seed)
    (folder / "dicom").mkdir(parents=True)
    for i in range(n):
        (folder / "dicom" / f"{i}.dcm").write_bytes(mutate(rng.choice(originals), rng))
    started, n_images = time.monotonic(), 0
    scan(folder / "dicom", folder / "index.sqlite", DicomReader(), Rules(b"k", "", True))
    indexed = list(rows(folder / "index.sqlite"))
    refused = {row.path: row.reason for row in indexed if row.reason}
    usable = [Source((row,)) for row in indexed if not row.reason]
    work = pixel_work(DicomReader(), folder / "dicom", PLAN)
    for source, found in in_sandbox(work, usable, 8):
        if isinstance(found, Refused):
            refused[source.rows[0].path] = found.reason
        else:
            n_images += 1
    print(f"{n} files, {n_images} images, {time.monotonic() - started:.0f} s; the others:")
    for reason, count in count_reasons(refused).items():
        print(f"{count:6} {reason}")


if __name__ == "__main__":
    main()
