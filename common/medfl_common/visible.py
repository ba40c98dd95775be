r"""Text from outside as a terminal may show it: each character that would steer it is spelled out.

Control characters (ESC, and with it OSC commands that write the clipboard or a title), characters
that turn the direction of writing (Unicode UAX 9) or have no width, and halves of surrogate pairs
become their escapes: ESC is shown as the four characters \x1b.
"""

import unicodedata

_STEERS = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode general categories


def visible(text: str, keep: str = "") -> str:
    """Return the text without a character that steers a terminal, but those in `keep`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if char in keep or unicodedata.category(char) not in _STEERS
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
