"""A name in a plan becomes a part: a folder of files is its own list."""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from medfl_common.errors import ConfigError

Part = TypeVar("Part")

REGISTRIES: dict[str, "Registry[Any]"] = {}  # by package, as they are made


class Registry(Generic[Part]):
    """The parts of one kind, registered by the files of one package.

    Args:
        kind: What a person calls the parts, for messages ("strategy").
        package: The package whose modules register them; imported at the first look-up. Those
            whose names begin with _ are shared by the others.
    """

    def __init__(self, kind: str, package: str) -> None:
        self._kind = kind
        self.package = package
        self._parts: dict[str, Part] = {}
        self._from_elsewhere: set[str] = set()
        self._loaded = False
        REGISTRIES[package] = self

    def register(self, name: str) -> Callable[[Part], Part]:
        """Enter the decorated part under `name`; a name taken twice is a programmer's mistake."""
        registers = str(sys._getframe(1).f_globals.get("__name__", ""))

        def enter(part: Part) -> Part:
            if name in self._parts:
                raise ValueError(f"{self._kind} {name!r} is registered twice")
            self._parts[name] = part
            if not f"{registers}.".startswith(f"{self.package}."):
                self._from_elsewhere.add(name)
            return part

        return enter

    def get(self, name: str) -> Part:
        """Return the part called `name`, or raise ConfigError naming the known ones."""
        known = self.names()
        if name not in known:
            raise ConfigError(f"unknown {self._kind} {name!r}; known: {', '.join(known)}")
        return self._parts[name]

    def names(self) -> list[str]:
        """List the known names in alphabetical order."""
        if not self._loaded:
            importlib.import_module(self.package)
            for name in file_names(self.package):
                importlib.import_module(f"{self.package}.{name}")
            self._loaded = True
        return sorted(self._parts)


def parts_from_elsewhere() -> list[tuple[str, str, object]]:
    """List (package, name, part) of what a script or a notebook registered, for other processes."""
    return [
        (package, name, registry._parts[name])
        for package, registry in REGISTRIES.items()
        for name in sorted(registry._from_elsewhere)
    ]


def add_parts(parts: Iterable[tuple[str, str, object]]) -> None:
    """Register in this process what another one listed; what is there stays."""
    for package, name, part in parts:
        importlib.import_module(package)
        REGISTRIES[package]._parts.setdefault(name, part)


def file_names(package: str) -> list[str]:
    """List the files of a package that hold parts, without importing them or the package."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    return sorted(m.name for m in pkgutil.iter_modules(places or []) if m.name[0] != "_")
