"""Whether a plugin that is installed here is the one that is meant, seen without importing it.

RECORD: Python Packaging User Guide, Recording installed projects. Installers add lines of their
own to it (where the wheel lay, compiled files), so its hash here is over the lines that the wheel
brought: it is the same wherever the wheel is installed.
"""

import base64
import csv
import hashlib
import importlib.util
from collections.abc import Iterator
from importlib.metadata import (
    Distribution,
    EntryPoint,
    PackageNotFoundError,
    distribution,
    distributions,
)
from pathlib import Path
from typing import NamedTuple

from medfl_common.plan.plugins import Plugin
from medfl_common.registry import GROUP

BY_INSTALLERS = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "provenance_url.json"}
CODE = (".py", ".so", ".pyd")


class Line(NamedTuple):
    """A file of a wheel, as its RECORD has it."""

    path: str  # below the folder of installed packages
    hash: str  # sha256=..., in base64
    size: str


def installed_plugins() -> list[Plugin]:
    """List the plugins that are installed here, by name."""
    found = (one for one in distributions() if any(e.group == GROUP for e in one.entry_points))
    plugins = (
        Plugin(distribution=one.name, version=one.version, sha256=record_sha256(one))
        for one in found
        if one.read_text("RECORD") is not None
    )
    return sorted({str(p): p for p in plugins}.values(), key=str)


def record_sha256(found: Distribution) -> str:
    """Hash the lines of RECORD that the wheel brought, in the order of their paths."""
    text = "".join(f"{','.join(line)}\n" for line in _lines(found))
    return hashlib.sha256(text.encode()).hexdigest()


def why_not(plugin: Plugin) -> str:
    """Say why what is installed here is not this plugin, to the last file; empty: it is."""
    try:
        found = distribution(plugin.distribution)
    except PackageNotFoundError:
        return f"the plugin {plugin} is not installed here"
    if found.version != plugin.version:
        return f"of the plugin {plugin} version {found.version} is installed here"
    if found.read_text("RECORD") is None:
        return f"the plugin {plugin} has no RECORD here: install its wheel"
    if (seen := record_sha256(found)) != plugin.sha256:
        return (
            f"the RECORD of {plugin.distribution} installed here has SHA-256 {seen}, not the "
            f"plan's {plugin.sha256}: it is another wheel"
        )
    faults = (*_changed(found), *_unlisted(found), *_elsewhere(found))
    return f"the plugin {plugin} was changed after it was installed: {faults[0]}" if faults else ""


def parts_of(plugin: Plugin) -> list[str]:
    """List what a plugin brings, each KIND.NAME, by its entry points alone."""
    return sorted(entry.name for entry in entries_of(plugin))


def entries_of(plugin: Plugin) -> list[EntryPoint]:
    """List the entry points of an installed plugin; raises PackageNotFoundError."""
    return [e for e in distribution(plugin.distribution).entry_points if e.group == GROUP]


def _lines(found: Distribution) -> list[Line]:
    """Give what the wheel brought: not what installers added, nor scripts beside the packages."""
    rows = csv.reader((found.read_text("RECORD") or "").splitlines())
    lines = [Line(*row) for row in rows if len(row) == 3]
    return sorted(line for line in lines if _is_own(line))


def _is_own(line: Line) -> bool:
    place = Path(line.path)
    is_added = place.parent.suffix == ".dist-info" and place.name in BY_INSTALLERS
    is_compiled = "__pycache__" in place.parts and place.suffix == ".pyc"
    return not (is_added or is_compiled or ".." in place.parts or place.is_absolute())


def _changed(found: Distribution) -> Iterator[str]:
    """Compare each file with its hash in RECORD."""
    for line in _lines(found):
        kind, _, wanted = line.hash.partition("=")
        try:
            data = Path(str(found.locate_file(line.path))).read_bytes()
        except OSError:
            yield f"{line.path} cannot be read"
            continue
        seen = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        if (kind, wanted) != ("sha256", seen):
            yield f"{line.path} is not what RECORD says"


def _unlisted(found: Distribution) -> Iterator[str]:
    """Look for code in the plugin's packages that RECORD does not list."""
    listed = {line.path for line in _lines(found)}
    tops = {path.split("/")[0] for path in listed if "/" in path and path.endswith(CODE)}
    root = Path(str(found.locate_file("")))
    for top in sorted(tops):
        for path in sorted((root / top).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix in CODE and name not in listed:
                yield f"{name} is not in RECORD"


def _elsewhere(found: Distribution) -> Iterator[str]:
    """Say of each entry point whose module RECORD does not list, or that Python finds elsewhere.

    A package that is installed editable lists none of its modules.
    """
    listed = {line.path for line in _lines(found)}
    root = Path(str(found.locate_file(""))).resolve()
    for entry in found.entry_points:
        if entry.group != GROUP:
            continue
        top, path = entry.module.split(".")[0], entry.module.replace(".", "/")
        if not {f"{path}.py", f"{path}/__init__.py"} & listed:
            yield f"{entry.module} of {entry.name} is not in RECORD"
            continue
        spec = importlib.util.find_spec(top)
        origin = None if spec is None else spec.origin
        if origin is None or root not in Path(origin).resolve().parents:
            yield f"Python finds {top} elsewhere: {origin or 'nowhere'}"
