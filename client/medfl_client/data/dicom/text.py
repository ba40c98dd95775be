"""The bytes of a header's text to letters, whatever SpecificCharacterSet (0008,0005) says of them.

PS3.5 6.1.2: escape sequences choose a character set themselves; without one the first value of
SpecificCharacterSet holds. Machines leave it out or name a wrong one, so UTF-8 is tried where a set
of one byte a letter is named. No bytes become a replacement sign: two people would become one.
"""

import re
import warnings
from collections.abc import Iterator
from functools import lru_cache

from pydicom.charset import CODES_TO_ENCODINGS, convert_encodings, decode_bytes
from pydicom.valuerep import TEXT_VR_DELIMS

PADDING = " \0\t\r\n"
_ESCAPE = re.compile(r"\x1b[\x20-\x2f]*[\x30-\x7e]")
_PAIRS = re.compile(rb"[^\x80-\xff]*(?:(?:[\xb0-\xf7][\xa1-\xfe]){2,}[^\x80-\xff]*)+")  # GB 2312
_OTHER_NAMES = {"UTF-8": "ISO_IR 192", "UTF8": "ISO_IR 192", "GB2312": "GBK"}
_MANY_BYTES = {"utf8", "gb18030", "gbk", "gb2312", "shift_jis", "euc_kr", "iso_ir_58"}
_JAPANESE = {"iso2022_jp", "iso2022_jp_2", "shift_jis"}


def decoded(value: bytes, charset: str) -> str:
    """Decode one element without its padding; `charset` is SpecificCharacterSet as it stands."""
    value = value.strip(PADDING.encode())
    if b"\x1b" in value:
        encodings = [_encodings(charset)[0], *CODES_TO_ENCODINGS.values()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = _ESCAPE.sub("", decode_bytes(value, encodings, TEXT_VR_DELIMS))
        return (value.decode("latin-1") if "\ufffd" in text else text).strip(PADDING)
    if value.isascii():
        return value.decode("ascii")
    for encoding in _candidates(value, charset):
        try:
            return value.decode(encoding).strip(PADDING)
        except UnicodeDecodeError:
            continue
    return value.decode("latin-1").strip(PADDING)


def _candidates(value: bytes, charset: str) -> Iterator[str]:
    """Name the encodings to try, the likeliest first."""
    first, *others = _encodings(charset)
    is_sure = first.lower() in _MANY_BYTES
    if is_sure:
        yield first
    yield "utf-8"
    yield from others
    if _JAPANESE & {first, *others}:
        yield "shift_jis"
    if first in ("iso8859", "latin_1", "UTF8") and _PAIRS.fullmatch(value):
        yield "gb18030"  # no word of Latin letters has four accented ones in a row
    if not is_sure:
        yield first


@lru_cache(maxsize=64)
def _encodings(charset: str) -> tuple[str, ...]:
    names = [name.strip(PADDING) for name in charset.split("\\")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a wrong name is what this is for
        return tuple(convert_encodings([_OTHER_NAMES.get(name.upper(), name) for name in names]))
