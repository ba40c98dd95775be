"""A reply that is announced and never comes holds nobody up, and nobody speaks for another."""

from collections.abc import Iterator

import pytest
import torch
from flwr.app import RecordDict
from flwr.proto.message_pb2 import ObjectTree
from tests.unit.server.hostile import Wire, stored

from medfl_common.plan.plan import Plan
from medfl_common.wire.results import TrainResult, encode_result, plan_number
from medfl_common.wire.tasks import TrainTask, encode_task
from medfl_server.superlink import arrivals
from medfl_server.superlink.transport import Arrival

UPDATE = {"w": torch.zeros(7)}


@pytest.fixture
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = Wire(tmp_path_factory.mktemp("wire"))
    yield made
    made.close()


def ask(wire: Wire, site: str, plan: Plan) -> str:
    return wire.ask(site, encode_task(TrainTask("train", "0" * 32, 2, 77, site, plan, UPDATE)))


def good(plan: Plan) -> RecordDict:
    update = {"w": torch.ones(7)}
    return encode_result(
        TrainResult(plan_number(plan), 2, 77, n_images=9, n_steps=2, update=update)
    )


def grow_old(wire: Wire, site: str, seconds: float) -> None:
    upload = wire.link._arrivals._by_key[wire.key(site)]
    upload.seen, upload.began = upload.seen - seconds, upload.began - seconds


def test_an_announced_reply_that_stands_still_frees_its_place_and_is_then_dropped(
    wire: Wire, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "MAX_ARRIVING", 1)
    asked = ask(wire, "north", plan)
    message, objects = wire.reply(asked, good(plan))
    wire.announce("north", message, objects)
    has_room = wire.link._arrivals.has_room
    assert not has_room()

    grow_old(wire, "north", 11)
    assert has_room()
    assert wire.fetch(asked) is None  # it may still come

    grow_old(wire, "north", 120)
    assert wire.fetch(asked) == Arrival(None, halted="its upload came to a halt")
    assert wire.state.message_res_store == {}
    assert not set(objects) & set(wire.state.object_store.store)


def test_a_hospital_has_one_place_whatever_it_announces(
    wire: Wire, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "MAX_ARRIVING", 2)
    for _ in range(3):  # as if it never finished what it was asked in three rounds
        asked = ask(wire, "north", plan)
        wire.announce("north", *wire.reply(asked, good(plan)))

    assert len(wire.state.message_res_store) == 1
    assert wire.link._arrivals.has_room()


def test_who_creeps_has_no_place_that_counts(
    wire: Wire, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "MAX_ARRIVING", 1)
    asked = ask(wire, "north", plan)
    wire.announce("north", *wire.reply(asked, good(plan)))
    grow_old(wire, "north", 30)

    wire.link._arrivals.note(wire.key("north"), 30 * 63_000)  # a byte came just now
    assert wire.link._arrivals.has_room()
    wire.link._arrivals.note(wire.key("north"), 30 * 2_000)
    assert not wire.link._arrivals.has_room()


def test_nobody_answers_for_another_or_gives_tasks(wire: Wire, plan: Plan) -> None:
    asked = ask(wire, "north", plan)
    message, objects = wire.reply(asked, good(plan))

    wire.announce("south", message, objects)
    assert wire.state.message_res_store == {}

    message.metadata.__dict__["_reply_to_message_id"] = ""
    wire.announce("north", message, objects)
    assert [*wire.state.message_ins_store] == [asked]


def test_who_lies_about_a_part_that_another_sends_is_dropped(wire: Wire, plan: Plan) -> None:
    """The part is the same at both; the liar announces something below it."""
    asked, theirs = ask(wire, "north", plan), ask(wire, "south", plan)
    message, objects = wire.reply(theirs, good(plan))
    shared = next(name for name, body in objects.items() if body.startswith(b"ArrayChunk"))
    lie, hidden = wire.reply(asked, good(plan))
    root = [*hidden][-1]
    below = ObjectTree(object_id=shared, children=[ObjectTree(object_id="ab" * 32)])
    wire.announce("north", lie, hidden, ObjectTree(object_id=root, children=[below]))

    wire.send(message, objects)

    found = wire.fetch(theirs)
    assert found is not None
    assert found.content is not None
    assert wire.fetch(asked) == Arrival(None, halted="its upload came to a halt")


def test_a_part_that_is_not_as_it_was_announced_ends_its_reply(wire: Wire, plan: Plan) -> None:
    asked = ask(wire, "north", plan)
    message, _ = wire.reply(asked, good(plan))
    root, content = stored("Message", ["ab" * 32], b"")

    wire.send(message, {root: content}, ObjectTree(object_id=root))

    assert wire.fetch(asked) == Arrival(None, halted="its upload came to a halt")
    assert root not in wire.state.object_store.store


def test_a_tree_that_grows_when_it_is_written_out_is_not_taken(wire: Wire, plan: Plan) -> None:
    asked = ask(wire, "north", plan)
    message, objects = wire.reply(asked, good(plan))
    above = stored("ArrayChunk", [], b"1")
    tree, store = ObjectTree(object_id=above[0]), wire.state.object_store
    for _ in range(40):  # each names the one below twice: 2^40 when written out
        store.preregister(wire.run.run_id, tree)
        store.put(*above)
        leaf, above = ObjectTree(object_id=above[0]), stored("RecordDict", [above[0]] * 2, b"{}")
        tree = ObjectTree(object_id=above[0], children=[leaf, leaf])

    wire.announce("north", message, dict([above]), tree)
    assert wire.state.message_res_store == {}

    wire.announce("north", message, objects)
    assert wire.link._arrivals._by_key[wire.key("north")].asked == asked
