"""How large a plan or a site file may be, as YAML or as JSON: far more than any has."""

from medfl_common.errors import ConfigError

MAX_BYTES = 256 * 1024  # a plan or a site file is a few kilobytes
MAX_DEPTH = 20  # levels of mappings and lists; a plan has five
MAX_VALUES = 10_000  # keys and plain values; a plan has about a hundred
MAX_DIGITS = 40  # of an integer
MAX_SHOWN = 200  # characters of a key or a value that a message shows

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]


def check_size(n_bytes: int, source: str, most: int = MAX_BYTES) -> None:
    """Raise ConfigError if a text is larger than it may be; `source` names it in the message."""
    if n_bytes > most:
        raise too_large(f"{source} is larger than {most:,} bytes")


def too_large(what: str) -> ConfigError:
    """Make the error of a text that is beyond a bound."""
    return ConfigError(what, todo="take out what is not needed", data="nothing was read")


def shorten(text: str) -> str:
    """Return a text of the file, no longer than a message should be."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
