"""What a worker and its parent say to each other: frames of bytes, and nothing that runs.

A frame is a letter, the length of its body, and the body. The parent takes from a worker only
these, each within its bound, and never unpickles: a decoder that was taken over may say anything.

    R  ready: one byte, which locks hold (lockdown.py)
    O  open: the place of a file in the batch's list; the parent answers with descriptors
    A  answers: for each job a letter, a length and bytes; D done, F refused, L refused for good,
       C crashed

What the parent sends to a worker is pickled: the parent is not the one that is afraid.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

HEAD = struct.Struct("<cQ")
PLACE = struct.Struct("<Q")
MAX_REASON = 2000  # bytes


@dataclass(frozen=True)
class Refused:
    """Why a job has no result."""

    reason: str
    is_lasting: bool = False  # the same file will give the same
    is_crash: bool = False  # the same file will give the same to the same decoders


def frame(letter: bytes, body: bytes = b"") -> bytes:
    """Put a frame together."""
    return HEAD.pack(letter, len(body)) + body


def take_frame(buffer: bytearray, limits: dict[bytes, int]) -> tuple[bytes, memoryview] | None:
    """Take the first whole frame off a buffer; None: more is to come.

    Raises ValueError for a letter that is not in `limits`, or a body above its limit.
    """
    if len(buffer) < HEAD.size:
        return None
    letter, length = HEAD.unpack_from(buffer)
    if length > limits.get(letter, -1):
        raise ValueError("no frame that is expected here")
    end = HEAD.size + length
    if len(buffer) < end:
        return None
    body = memoryview(bytes(buffer[HEAD.size : end]))
    del buffer[:end]
    return letter, body


def pack_answers(answers: Sequence[bytes | Refused]) -> bytes:
    """Put the answers of a batch together."""
    parts: list[bytes] = []
    for answer in answers:
        if isinstance(answer, Refused):
            letter = b"L" if answer.is_lasting else b"C" if answer.is_crash else b"F"
            body = answer.reason.encode("utf-8", "replace")[:MAX_REASON]
        else:
            letter, body = b"D", answer
        parts += [HEAD.pack(letter, len(body)), body]
    return b"".join(parts)


def unpack_answers(body: memoryview, n: int) -> list[memoryview | Refused]:
    """Take the answers of n jobs; raises ValueError where they are anything else."""
    answers: list[memoryview | Refused] = []
    at = 0
    for _ in range(n):
        if len(body) < at + HEAD.size:
            raise ValueError("too few answers")
        letter, length = HEAD.unpack_from(body, at)
        at += HEAD.size
        part = body[at : at + length]
        if len(part) != length or letter not in b"DLCF":
            raise ValueError("no answer")
        at += length
        answers.append(part if letter == b"D" else _refused(letter, part))
    if at != len(body):
        raise ValueError("more than the answers")
    return answers


def _refused(letter: bytes, part: memoryview) -> Refused:
    """Read a reason; it may hold nothing that a terminal or a page would obey."""
    if len(part) > MAX_REASON:
        raise ValueError("a reason without end")
    text = bytes(part).decode("utf-8", "replace")
    reason = "".join(c if c.isprintable() else " " for c in text).strip()
    return Refused(reason or "the file is damaged", letter == b"L", letter == b"C")
