"""The data folder is only read: nothing that medfl-sim makes may lie in it."""

from pathlib import Path

from medfl_common.errors import ConfigError


def refuse_in_data(data: Path, *places: Path) -> None:
    """Raise ConfigError where a place to write to lies in the data folder."""
    for place in places:
        if place.resolve().is_relative_to(data.resolve()):
            raise ConfigError(
                f"{place} lies in the data folder {data}, into which nothing is written",
                todo="name another folder with --out and --cache",
                data="nothing was written",
            )
