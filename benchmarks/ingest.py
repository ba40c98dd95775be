"""Ingest: headers, decoding, the cache on one core and two, against MONAI on the same files.

    ingest.py FOLDER [N]     N files of 1024 x 1024 per format, 60 if not given

CPU milliseconds per file, medians of interleaved repeats. MONAI's rows need `pip install monai`.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib.util
import shutil
import statistics
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from medfl_client.data.cache import CHUNK, cached_pixels
from medfl_client.data.dicom.header import Rules
from medfl_client.data.reader import DicomReader, Source, read_pixels
from medfl_client.data.sandbox import Work, in_sandbox
from medfl_common.plan.images import FixedWindow, Images

SIDE, SIZE, REPEATS = 1024, 224, 5
SYNTAXES = {
    "raw": uid.ExplicitVRLittleEndian,
    "rle": uid.RLELossless,
    "jls": uid.JPEGLSLossless,
    "j2k": uid.JPEG2000Lossless,
}
RULE = FixedWindow(rule="fixed", centre=1000, width=3000)
PLAN = Images(modality=["DX"], size=SIZE, intensity=RULE)


def image(rng: np.random.Generator) -> np.ndarray:
    """Draw a smooth field with noise, 12 bits: it packs about as a chest film does."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = sum(
        rng.uniform(100, 400) * np.sin(rng.uniform(2, 30) * x + rng.uniform(2, 30) * y)
        for _ in range(5)
    )
    return np.clip(1500 + waves + rng.normal(0, 12, (SIDE, SIDE)), 0, 4095).astype(np.uint16)


def write_files(folder: Path, n: int) -> None:
    for kind, syntax in SYNTAXES.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            path = folder / kind / f"{i}.dcm"
            if path.exists():
                continue
            dataset = Dataset()
            dataset.file_meta = FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
            dataset.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
            dataset.PatientID, dataset.Modality = f"P{i}", "DX"
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid.generate_uid(), "1.2"
            dataset.RescaleSlope, dataset.RescaleIntercept = 1, -500
            pixels = image(np.random.default_rng(i))
            dataset.set_pixel_data(pixels, "MONOCHROME2", 12)
            if kind != "raw":
                dataset.compress(syntax)
            dataset.save_as(path, enforce_file_format=True)


def cpu_ms(work: Callable[[Path], object], paths: list[Path]) -> float:
    started = time.process_time()
    for path in paths:
        work(path)
    return (time.process_time() - started) / len(paths) * 1e3


def read(path: Path) -> object:
    """Do what an index and a cache do: header, decoding, rescale, window, 224 x 224."""
    (row,) = DicomReader().rows(path, path.name, Rules(b"k"))
    return read_pixels(DicomReader(), path.parent, PLAN, Source((row,)))


def monai_full() -> Callable[[Path], object] | None:
    if importlib.util.find_spec("monai") is None:
        return None
    from monai.transforms import Compose, EnsureChannelFirst, LoadImage, Resize, ScaleIntensityRange

    chain = Compose(
        [
            LoadImage(reader="PydicomReader", image_only=True),
            EnsureChannelFirst(),
            ScaleIntensityRange(-500, 2500, 0, 1, clip=True),
            Resize((SIZE, SIZE), mode="area"),
        ]
    )
    return lambda path: chain(str(path))


def in_workers(
    work: Callable[[Path], object], paths: list[Path], n_workers: int
) -> tuple[float, float]:
    """Do it as the product does, in sandbox processes; give wall and CPU seconds of all of them."""
    before = time.process_time()
    started = time.monotonic()
    cores = sorted(os.sched_getaffinity(0))[:n_workers]  # some codecs have threads of their own
    job = Work(
        do=partial(timed, work, cores),
        accept=lambda path, body: struct.unpack("d", body)[0],
        files=lambda path: [path],
        setup=DicomReader().prepare,
    )
    list(in_sandbox(job, paths[:1], n_workers=1))  # a worker is there
    results = list(in_sandbox(job, paths, CHUNK, n_workers=n_workers))
    wall = time.monotonic() - started
    after = time.process_time()
    return wall, after - before + sum(seconds for _, seconds in results)


def timed(work: Callable[[Path], object], cores: list[int], path: Path) -> bytes:
    os.sched_setaffinity(0, cores)
    started = time.process_time()
    work(path)
    return struct.pack("d", time.process_time() - started)


def main() -> None:
    folder, n = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 60
    write_files(folder, n)
    monai = monai_full()
    times: dict[str, list[float]] = {}
    for _ in range(REPEATS):
        for kind in SYNTAXES:
            paths = sorted((folder / kind).glob("*.dcm"))[: 20 if kind == "j2k" else n]
            header = partial(DicomReader().rows, name="x", rules=Rules(b"k"))
            times.setdefault(f"{kind}: header to row", []).append(cpu_ms(header, paths))
            seconds = in_workers(read, paths, 1)[1]
            times.setdefault(f"{kind}: full", []).append(seconds / len(paths) * 1e3)
            if monai:
                times.setdefault(f"{kind}: MONAI full", []).append(cpu_ms(monai, paths))
    for name, values in times.items():
        low, high = min(values), max(values)
        print(f"{name:24} {statistics.median(values):8.3f} ms CPU ({low:.3f} to {high:.3f})")
    for kind in SYNTAXES:
        rows = [
            DicomReader().rows(path, path.name, Rules(b"k"))[0]
            for path in sorted((folder / kind).glob("*.dcm"))
        ]
        sources = [Source((row,)) for row in rows]
        paths, ratios, walls = sorted((folder / kind).glob("*.dcm")), [], []
        for _ in range(3):
            one, two = (in_workers(read, paths, n)[0] for n in (1, 2))
            ratios.append(one / two)
            walls.append(two / len(sources) * 1e3)
        print(
            f"{kind}: build on 2 cores {statistics.median(walls):.2f} ms wall a file, "
            f"{statistics.median(ratios):.2f} times as fast as on 1 ({min(ratios):.2f} to "
            f"{max(ratios):.2f})"
        )
        caches = folder / "cache"
        shutil.rmtree(caches, ignore_errors=True)
        cache = cached_pixels(sources, folder / kind, PLAN, caches, DicomReader())
        epochs = []
        for _ in range(20):
            started = time.process_time()
            order = np.random.default_rng(0).permutation(len(rows))
            for first in range(0, len(order), 32):
                np.asarray(cache.pixels[cache.rows[order[first : first + 32]]]).astype(np.float32)
            epochs.append((time.process_time() - started) / len(rows) * 1e3)
        cached = statistics.median(epochs)
        decoded = statistics.median(times[f"{kind}: full"])
        print(
            f"{kind}: cached epoch {cached:.4f} ms an image, 1/{decoded / cached:.0f} of decoding"
        )


if __name__ == "__main__":
    import ingest  # by its name, so that worker processes find what they are to do

    ingest.main()
