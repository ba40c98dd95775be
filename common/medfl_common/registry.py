"""A name in a plan becomes a part: a folder of files is its own list."""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from medfl_common.errors import ConfigError

Part = TypeVar("Part")

GROUP = "medfl.parts"  # of entry points: each is KIND.NAME

REGISTRIES: dict[str, "Registry[Any]"] = {}  # by package, as they are made


class Registry(Generic[Part]):
    """The parts of one kind, registered by the files of one package.

    Args:
        kind: What a person calls the parts, for messages ("strategy").
        package: The package whose modules register them; imported at the first look-up. Those
            whose names begin with _ are shared by the others. Of a module: others register all.
        entry: The kind in the name of a plugin's entry point; empty: no plugin brings such parts.
        beside: Other names that a plan may have in this place, for messages.
    """

    def __init__(
        self, kind: str, package: str, *, entry: str = "", beside: Iterable[str] = ()
    ) -> None:
        self._kind = kind
        self.package = package
        self._entry = entry
        self._beside = [*beside]
        self._parts: dict[str, Part] = {}
        self._from_elsewhere: set[str] = set()
        self._from_plugins: dict[str, str] = {}  # name -> the plugin that brought it
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
        if not self.has(name):
            raise ConfigError(self.why_unknown(name))
        return self._parts[name]

    def names(self) -> list[str]:
        """List the known names in alphabetical order; what plugins brought is in no list."""
        if not self._loaded:
            importlib.import_module(self.package)
            for name in file_names(self.package):
                importlib.import_module(f"{self.package}.{name}")
            self._loaded = True
        return sorted(self._parts.keys() - self._from_plugins.keys())

    def has(self, name: str) -> bool:
        """Say whether there is a part of this name, a plugin's too."""
        return name in self._parts or name in self.names()

    def why_unknown(self, name: str) -> str:
        """Say that there is no part of this name, which there are, and who would bring it."""
        known = ", ".join([*self._beside, *self.names()]) or "none"
        return f"unknown {self._kind} {name!r}; known: {known}{self.offer_of(name)}"

    def offer_of(self, name: str) -> str:
        """Say which installed plugin would bring a part, without importing it; else nothing."""
        wanted = f"{self._entry}.{name}"
        found = [e.dist for e in entry_points(group=GROUP, name=wanted) if e.dist is not None]
        named = sorted({f"{one.name} {one.version}" for one in found}) if self._entry else []
        if named:
            return f"; the plugin {' or '.join(named)} brings it: name it in the plan's plugins"
        own = "; a plugin brings own ones; in a simulation a script does (medfl-sim ... --import)"
        return own * bool(self._entry)

    def plugin_of(self, name: str) -> str:
        """Name the plugin that brought a part; empty: none did."""
        return self._from_plugins.get(name, "")

    def put(self, name: str, part: Part) -> None:
        """Enter a script's part, in place of one that a script entered before under this name."""
        if self.has(name) and name not in self._from_elsewhere:
            raise ConfigError(
                f"there is a {self._kind} {name!r} already", todo="give yours another name"
            )
        self._parts[name] = part
        self._from_elsewhere.add(name)

    def forget_own(self) -> None:
        """Take out what scripts and notebooks of this process entered."""
        for name in self._from_elsewhere:
            self._parts.pop(name, None)
        self._from_elsewhere.clear()

    def add_from_plugin(self, name: str, part: Part, plugin: str) -> None:
        """Enter a part that an installed plugin brings; ConfigError where the name is taken."""
        if self.has(name):
            owner = self._from_plugins.get(name)
            raise ConfigError(
                f"the plugin {plugin} brings the {self._kind} {name!r}, which "
                f"{f'{owner} brought' if owner else 'medfl has'} already",
                todo="give it another name in the plugin",
            )
        self._parts[name] = part
        self._from_plugins[name] = plugin


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
