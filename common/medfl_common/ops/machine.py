"""What this machine offers, as `doctor` of both sides looks at it: programs, memory, disk."""

import importlib
import platform
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from medfl_common import __version__
from medfl_common.ops.checks import Finding, fail, not_checked, ok, warn

FLOWER = "1.41.0"  # its private parts are used, so no other will do
PYTHON = (3, 11)
TIGHT = 0.8  # part of what is free; needing more deserves a warning
DECODERS = ("gdcm", "openjpeg", "rle", "jpeg_ls")  # JPEG, JPEG 2000, RLE, JPEG-LS for pydicom


def check_versions(packages: Sequence[str], modules: Sequence[str] = ()) -> Finding:
    """Say which programs are installed; modules are what must load too."""
    found = {name: _version(name) for name in ("flwr", *packages)}
    shown = ", ".join(f"{name} {seen or 'missing'}" for name, seen in found.items())
    seen = f"medfl {__version__}, Python {platform.python_version()}, {shown}"
    absent = [name for name, seen_version in found.items() if not seen_version]
    absent += [name for name in modules if not _loads(name)]
    todo = 'install medfl again in a fresh environment: pip install "medfl"'
    if sys.version_info < PYTHON:
        return fail(seen, "install Python 3.11 or newer, then medfl", "your IT department")
    if absent:
        return fail(f"{seen}; missing or damaged: {', '.join(absent)}", todo)
    if found["flwr"] != FLOWER:
        return fail(f"{seen}; medfl needs flwr {FLOWER} exactly", f"pip install flwr=={FLOWER}")
    return ok(seen + (f"; decoders: {', '.join(modules)}" if modules else ""))


def check_disk(folder: Path, needed: int, what_for: str) -> Finding:
    """Compare the free space under a folder, or where it will be made, with what is needed."""
    place = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    seen = f"{in_bytes(free)} free, about {in_bytes(needed)} needed for {what_for}"
    todo = f"free space on the disk of {place.resolve()}, or move the folder to a larger one"
    if needed > free:
        return fail(seen, todo, "your IT department")
    return warn(seen, todo, "your IT department") if needed > TIGHT * free else ok(seen)


def check_memory(needed: int, what_for: str, available: int | None) -> Finding:
    """Compare the memory that is available with a rough need."""
    if available is None:
        return not_checked(f"about {in_bytes(needed)} are needed; this system does not say more")
    seen = f"{in_bytes(available)} available, about {in_bytes(needed)} needed for {what_for}"
    todo = "end other programs, or take a machine with more memory"
    if needed > available:
        return fail(seen, todo, "your IT department")
    return warn(seen, todo) if needed > TIGHT * available else ok(seen)


def available_memory(facts: Path = Path("/proc/meminfo")) -> int | None:
    """Give the bytes that programs can still have; None where the system does not say."""
    if not facts.exists():
        return None
    for line in facts.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def in_bytes(n: float) -> str:
    """Say a size as a person would."""
    return f"{n / 1e9:,.1f} GB" if n >= 1e9 else f"{n / 1e6:,.1f} MB"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _loads(module: str) -> bool:
    try:
        importlib.import_module(module)
    except Exception:  # a library that it needs may be missing or of another machine
        return False
    return True
