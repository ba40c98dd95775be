"""What a plan brings as data, deflated: for a message, or as text for an invitation."""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import lru_cache

from medfl_common.errors import LinkError
from medfl_common.plan.graph_files import MOST_BYTES, content, graph_files, missing, put
from medfl_common.plan.plan import Plan


@lru_cache(maxsize=8)
def deflated(sha256: str) -> bytes:
    """Give a file that is here, deflated (RFC 1950)."""
    return zlib.compress(content(sha256))


def graphs_as_text(plan: Plan) -> dict[str, str]:
    """Pack the plan's files for a text: SHA-256 -> the file, deflated, in base 64 (RFC 4648)."""
    return {one.sha256: b64encode(deflated(one.sha256)).decode() for one in graph_files(plan)}


def graphs_from_text(texts: Mapping[str, str], plan: Plan) -> None:
    """Keep in this process what came as text; raises LinkError where it is not the plan's."""
    try:
        take_packed(
            {sha256: b64decode(text, validate=True) for sha256, text in texts.items()}, plan
        )
    except ValueError:
        raise _foreign("is damaged") from None


def take_packed(record: Mapping[str, object], plan: Plan) -> None:
    """Keep what the plan lacks here of deflated files; raises LinkError where one is another."""
    for one in missing(plan):
        given = record.get(one.sha256)
        if isinstance(given, bytes) and put(_inflated(given)) != one.sha256:
            raise _foreign("is another than the plan says")


def _inflated(data: bytes) -> bytes:
    machine = zlib.decompressobj()
    try:
        found = machine.decompress(data, MOST_BYTES + 1)
    except zlib.error:
        raise _foreign("is damaged") from None
    if len(found) > MOST_BYTES or not machine.eof:
        raise _foreign(f"has more than {MOST_BYTES // 10**6} MB, or is cut off")
    return found


def _foreign(what: str) -> LinkError:
    return LinkError(
        f"a file that the plan brings as data {what}; nothing of it was read",
        todo="let the coordinator make the study anew",
        who="the coordinator",
    )
