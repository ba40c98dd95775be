"""The versions of medfl, torch and Python that a site runs: three numbers of each, and in words."""

import re
import sys
from collections.abc import Mapping, Sequence

from flwr.app import MetricRecord

from medfl_common.errors import RunError
from medfl_common.wire.read_numbers import read_counts

COORDINATOR = "the coordinator"  # its name beside those of the sites
PROGRAMS = ("medfl", "torch", "python")
N_NUMBERS = 3 * len(PROGRAMS)
LARGEST = 9999  # of one number


def own_versions() -> tuple[int, ...]:
    """Give the nine numbers of this process."""
    import torch

    from medfl_common import __version__

    release = [_release(__version__), _release(torch.__version__), (*sys.version_info[:3],)]
    return tuple(number for numbers in release for number in numbers)


def read_versions(numbers: MetricRecord) -> tuple[int, ...]:
    """Read the nine numbers of a reply, or raise RunError."""
    found = tuple(read_counts(numbers, "versions", (N_NUMBERS,)).tolist())
    if max(found) > LARGEST:
        raise RunError("the reply's versions are none")
    return found


def named(numbers: Sequence[int]) -> dict[str, str]:
    """Give the version of each program as a text, such as 2.5.1."""
    parts = (numbers[i : i + 3] for i in range(0, N_NUMBERS, 3))
    return {name: ".".join(map(str, part)) for name, part in zip(PROGRAMS, parts, strict=True)}


def mixture(versions: Mapping[str, Mapping[str, str]]) -> str:
    """Say which programs differ between sites, and where; empty: none does.

    Of Python the first two numbers count.
    """
    found = []
    for program in PROGRAMS:
        sites: dict[str, list[str]] = {}
        for site, told in versions.items():
            version = told.get(program, "unknown")
            version = version.rpartition(".")[0] if program == "python" else version
            sites.setdefault(version, []).append(site)
        if len(sites) > 1:
            shown = ", ".join(f"{v} ({', '.join(names)})" for v, names in sorted(sites.items()))
            found.append(f"{program} {shown}")
    return "; ".join(found)


def _release(version: str) -> tuple[int, int, int]:
    """Read the first three numbers of a version; what follows, such as +cpu, is left out."""
    numbers = [int(n) for n in re.findall(r"\d+", version.partition("+")[0])[:3]]
    major, minor, patch = (min(n, LARGEST) for n in (*numbers, 0, 0, 0)[:3])
    return major, minor, patch
