"""Whatever one enrolled hospital sends costs that hospital its reply, never the coordinator."""

import json
from collections.abc import Callable, Iterator

import pytest
import torch
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from tests.unit.server.hostile import Objects, Wire, stored

from medfl_common.errors import RunError
from medfl_common.plan.plan import Plan
from medfl_common.wire.results import TrainResult, encode_result, plan_number
from medfl_common.wire.tasks import TrainTask, encode_task
from medfl_server.aggregation.admission import admit
from medfl_server.superlink.transport import Arrival

SHAPES = {"w": (7,)}
UPDATE = {"w": torch.ones(7)}


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = Wire(tmp_path_factory.mktemp("wire"))
    yield made
    made.close()


def task(plan: Plan, site: str) -> TrainTask:
    return TrainTask("train", "0" * 32, 2, 77, site, plan, UPDATE)


def good(plan: Plan) -> RecordDict:
    return encode_result(
        TrainResult(plan_number(plan), 2, 77, n_images=9, n_steps=2, update=UPDATE)
    )


def with_header(header: bytes) -> Callable[[RecordDict], None]:
    """Damage the npy header of the update; the sizes stay plausible."""

    def damage(content: RecordDict) -> None:
        written = header.ljust(117) + b"\n"
        data = b"\x93NUMPY\x01\x00" + len(written).to_bytes(2, "little") + written + bytes(28)
        content["update"] = ArrayRecord({"flat": Array("float32", (7,), "numpy.ndarray", data)})

    return damage


def with_number(**numbers: float | list[int] | list[float]) -> Callable[[RecordDict], None]:
    def damage(content: RecordDict) -> None:
        content["numbers"] = MetricRecord({**content.metric_records["numbers"], **numbers})

    return damage


CONTENTS = {
    "descr is no type": with_header(b"{'descr': (), 'fortran_order': False, 'shape': (7,), }"),
    "objects": with_header(b"{'descr': '|O', 'fortran_order': False, 'shape': (7,), }"),
    "huge": with_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }"),
    "deep": with_header(b"{'descr': " + b"[" * 90 + b"}"),
    "surrogate": with_header(b"{'descr': '\\ud800', 'fortran_order': 1, 'shape': (7,), }"),
    "no numbers": lambda content: content.pop("numbers"),
    "numbers are arrays": lambda content: content.__setitem__("numbers", content["update"]),
    "update is numbers": lambda content: content.__setitem__("update", content["numbers"]),
    "seal is arrays": lambda content: content.__setitem__("seal", content["update"]),
    "half a round": with_number(round=2.5),
    "NaN images": with_number(n_images=float("nan")),
    "2^63 images": with_number(n_images=2**63),
    "list for a number": with_number(nonce=[1, 2]),
    "2^62 scored": with_number(n_scored=2**62, loss=0.1, confusion=[2**62] * 4, positive=[0]),
}


def root_is_records(objects: Objects) -> None:
    objects.popitem()


def garbage(objects: Objects) -> None:
    _, message = objects.popitem()
    below = message.split(b" ")[1].decode()
    name, content = stored("Message", [below], b"\xff" * 40)
    objects[name] = content


def chunk_is_the_root(objects: Objects) -> None:
    objects.clear()
    name, content = stored("ArrayChunk", [], b"1234")
    objects[name] = content


def terabyte(objects: Objects) -> None:
    """One piece, named 2^18 times: 1 TB out of 5 MB."""
    *_, (_, message) = objects.items()
    objects.clear()
    above, places = stored("ArrayChunk", [], bytes(4 * 2**20)), [0] * 2**18
    objects[above[0]] = above[1]
    head = {"dtype": "float32", "shape": [7], "stype": "numpy.ndarray", "arraychunk_ids": places}
    for kind, body in (
        ("Array", head), ("ArrayRecord", {"flat": 0}), ("RecordDict", {"update": 0}),
    ):  # fmt: skip
        text = json.dumps({k: v or above[0] for k, v in body.items()}).encode()
        above = stored(kind, [above[0]], text)
        objects[above[0]] = above[1]
    above = stored("Message", [above[0]], message.partition(b"\0")[2])
    objects[above[0]] = above[1]


def deep_json(objects: Objects) -> None:
    _, message = objects.popitem()
    objects.popitem()
    records = stored("RecordDict", [], b"[" * 200_000)
    objects[records[0]] = records[1]
    name, content = stored("Message", [records[0]], message.partition(b"\0")[2])
    objects[name] = content


def no_head(objects: Objects) -> None:
    """A root without anything below, announced with a tree that has nothing below either."""
    _, message = objects.popitem()
    objects.clear()
    name, content = stored("Message", [], message.partition(b"\0")[2])
    objects[name] = content


OBJECTS = (
    root_is_records, garbage, chunk_is_the_root, terabyte, deep_json, no_head,
)  # fmt: skip


def judged(wire: Wire, asked: str, plan: Plan, site: str) -> str:
    """Say why a site's reply does not count; empty: it does."""
    arrival = wire.fetch(asked)
    assert isinstance(arrival, Arrival)
    if arrival.content is None:
        assert arrival.unreadable
        return arrival.unreadable
    try:
        admit(arrival.content, task(plan, site), SHAPES, wire.roster[site])
    except RunError as error:
        return str(error)
    return ""


def honest_after(wire: Wire, plan: Plan) -> Iterator[object]:
    """What the other hospital gives, and what is left of both."""
    asked = wire.ask("south", encode_task(task(plan, "south")))
    content = wire.seal("south", good(plan))
    wire.send(*wire.reply(asked, content))
    yield judged(wire, asked, plan, "south")
    yield len(wire.state.message_res_store)


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_reply_of_nonsense_costs_its_site_and_nobody_else(
    kind: str, wire: Wire, plan: Plan
) -> None:
    asked = wire.ask("north", encode_task(task(plan, "north")))
    content = good(plan)
    CONTENTS[kind](content)
    if set(content) == {"numbers", "update"} and "numbers" in content.metric_records:
        content = wire.seal("north", content)

    wire.send(*wire.reply(asked, content))

    assert judged(wire, asked, plan, "north")
    assert list(honest_after(wire, plan)) == ["", 0]


@pytest.mark.parametrize("damage", OBJECTS)
def test_what_is_no_message_costs_its_site_and_nobody_else(
    damage: Callable[[Objects], None], wire: Wire, plan: Plan
) -> None:
    asked = wire.ask("north", encode_task(task(plan, "north")))
    message, objects = wire.reply(asked, good(plan))
    damage(objects)

    wire.send(message, objects)

    assert "cannot be read" in judged(wire, asked, plan, "north")
    assert list(honest_after(wire, plan)) == ["", 0]
