"""The stored form of a Flower message, looked at before Flower makes anything of it.

A message is a tree of objects: the message, its records, their arrays, the pieces of these. An
object is its kind, the ids of those below it and the length of its body, then a zero, then the
body. An array names its pieces by place, one piece as often as it likes: a few kilobytes could
claim a terabyte, so the sum is known before a byte of it is taken.
"""

import json
from collections.abc import Callable

from medfl_common.errors import LinkError

KINDS = (
    {"Message"}, {"RecordDict"}, {"ArrayRecord", "MetricRecord", "ConfigRecord"}, {"Array"},
    {"ArrayChunk"},
)  # fmt: skip
END = b"\0"  # of an object's head
MAX_OBJECTS = 100_000
MAX_TEXT = 8 * 2**20  # bytes of an object that is no piece of an array

Get = Callable[[str], bytes | None]  # an object by its id


def check_objects(root: str, get: Get, max_bytes: int) -> None:
    """Raise LinkError unless a message is a tree of records within bounds.

    Args:
        root: The message's id.
        get: Gives each object.
        max_bytes: The most that its arrays may hold together.
    """
    ids, n_objects, n_bytes = [root], 0, 0
    for kinds in KINDS:
        below: dict[str, None] = {}
        for name in ids:
            kind, children, body = parts_of(get(name))
            if kind not in kinds:
                raise LinkError("the message is not a tree of records")
            if kind == "Array":
                n_bytes += _claimed(body, [_length(get(child)) for child in children])
            below |= dict.fromkeys(children)
        n_objects += len(below)
        if n_objects > MAX_OBJECTS or n_bytes > max_bytes:
            raise LinkError("the message is larger than any that was asked for")
        ids = [*below]
    if ids:
        raise LinkError("the message is not a tree of records")


def parts_of(content: bytes | None) -> tuple[str, list[str], bytes]:
    """Split an object into its kind, the ids below it and its body, left out for a piece."""
    end = -1 if content is None else content.find(END, 0, MAX_TEXT)
    words = [] if content is None else content[: max(end, 0)].decode("ascii", "replace").split(" ")
    if content is None or len(words) != len(("kind", "ids", "length")):
        raise LinkError("a part of the message is missing or has no head")
    kind, ids = words[0], [*filter(None, words[1].split(","))]
    if kind == "ArrayChunk":
        return kind, ids, b""
    if len(content) > MAX_TEXT:
        raise LinkError("a part of the message is larger than any that was asked for")
    return kind, ids, content[end + 1 :]


def _length(piece: bytes | None) -> int:
    return len(piece) if piece is not None else 0


def _claimed(body: bytes, lengths: list[int]) -> int:
    """Add up the bytes that an array says it has, given its pieces' lengths."""
    try:
        places = json.loads(body)["arraychunk_ids"]
        return sum(lengths[place] for place in places)
    except (ValueError, TypeError, LookupError, RecursionError):
        raise LinkError("an array of the message does not say of what it is made") from None
