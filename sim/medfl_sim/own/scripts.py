"""`medfl-sim run --import my_parts.py`: the script is run in every process that needs its parts."""

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path

from medfl_common.errors import ConfigError
from medfl_sim.own.use import own_modules

_SCRIPTS: list[Path] = []


def import_scripts(paths: Iterable[Path]) -> None:
    """Run each script once, as a module of its name, which other processes find beside it.

    Raises ConfigError where there is no such script, or a module of its name already.
    """
    for path in map(Path.resolve, paths):
        if path not in _SCRIPTS:
            _import(path)
            _SCRIPTS.append(path)


def scripts() -> list[Path]:
    """List the scripts that were imported, for other processes."""
    return [*_SCRIPTS]


def _import(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(f"--import {path}: there is no such script")
    if not path.stem.isidentifier() or path.suffix != ".py":
        raise ConfigError(
            f"--import {path}: its name is none of a Python module",
            todo="name it like my_parts.py",
        )
    known = importlib.util.find_spec(path.stem)  # of what is imported, or would be
    if known is not None and (known.origin is None or Path(known.origin).resolve() != path):
        raise ConfigError(
            f"--import {path}: there is another module {path.stem}",
            todo="give the script another name",
        )
    if path.stem in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"--import {path}: Python cannot import it")
    sys.path.append(str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    own_modules().add(path.stem)
