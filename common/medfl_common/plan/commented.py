"""YAML that medfl writes for a person to edit: values as they were meant, keys with comments.

strict_yaml reads back what was written; words that YAML takes for something else are quoted.
"""

import re
from collections.abc import Mapping, Sequence

# Words that YAML reads as something else than text.
TRAPS = {"yes", "no", "on", "off", "y", "n", "true", "false", "null", "~"}
COLUMN = 33  # in which comments begin, where there is room

Plain = None | bool | int | float | str
Entry = Plain | Sequence[Plain] | Mapping[str, Plain]


def word(value: Plain) -> str:
    """Write one value so that YAML reads the same."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return _number(value)
    is_plain = re.fullmatch(r"[A-Za-z_/][A-Za-z0-9_/.-]*", value) is not None
    return value if is_plain and value.lower() not in TRAPS else _quoted(value)


def entry(key: str, value: Entry, comment: str = "", indent: int = 0) -> str:
    """Write a key, its value and a comment; a mapping gets a line for each of its keys."""
    below: list[str] = []
    if isinstance(value, Mapping):
        below = [entry(name, item, "", indent + 2) for name, item in value.items()]
        text = "" if below else "{}"
    elif value is None or isinstance(value, str | bool | int | float):
        text = word(value)
    else:
        text = f"[{', '.join(map(word, value))}]"
    line = f"{' ' * indent}{word(key)}: {text}".rstrip()
    return "\n".join([with_comment(line, comment), *below])


def with_comment(line: str, comment: str) -> str:
    """Put a comment behind a line."""
    return f"{line.ljust(COLUMN - 1)} # {_one_line(comment)}" if comment else line


def _number(value: float) -> str:
    """Write a number with a decimal point where it has an exponent: YAML readers differ there."""
    text = f"{value}"
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def _quoted(text: str) -> str:
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\U{code:08x}"


def _one_line(comment: str) -> str:
    """Keep a comment in its line, whatever word of a file it quotes."""
    return "".join(char if char.isprintable() else " " for char in comment)
