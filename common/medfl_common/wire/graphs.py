"""What a plan brings as data, on its way: a record beside the task, to a site that lacks it."""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import lru_cache

from flwr.app import ConfigRecord, RecordDict

from medfl_common.errors import LinkError
from medfl_common.plan.graph_files import MOST_BYTES, content, graph_files, missing, put
from medfl_common.plan.plan import Plan

GRAPHS = "graphs"  # the record: SHA-256 of a file -> the file, deflated (RFC 1950)


def pack_graphs(plan: Plan) -> ConfigRecord:
    """Pack the plan's files."""
    return ConfigRecord({one.sha256: _deflated(one.sha256) for one in graph_files(plan)})


@lru_cache(maxsize=8)
def _deflated(sha256: str) -> bytes:
    return zlib.compress(content(sha256))


def unpack_graphs(message: RecordDict, plan: Plan) -> None:
    """Keep in this process what came with a task, and this process lacks.

    Raises LinkError where it is another file than the plan's, or larger than one may be.
    """
    _take(message.config_records.get(GRAPHS, ConfigRecord()), plan)


def graphs_as_text(plan: Plan) -> dict[str, str]:
    """Pack the plan's files for a text: SHA-256 -> the file, deflated, in base 64 (RFC 4648)."""
    return {one.sha256: b64encode(_deflated(one.sha256)).decode() for one in graph_files(plan)}


def graphs_from_text(texts: Mapping[str, str], plan: Plan) -> None:
    """Keep in this process what came as text; raises LinkError where it is not the plan's."""
    try:
        _take({sha256: b64decode(text, validate=True) for sha256, text in texts.items()}, plan)
    except ValueError:
        raise _foreign("is damaged") from None


def _take(record: Mapping[str, object], plan: Plan) -> None:
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
