"""Messages made wrong at random, of every kind: none ends an end.

The figures of 100,000 are in benchmarks/faults.md.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterator

import pytest
import torch
from flwr.app import RecordDict
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from google.protobuf.message import DecodeError
from tests.unit.server.fleet_requests import fleet_requests
from tests.unit.server.hostile import Objects, Wire, stored
from tests.unit.server.mutations import Mutator
from tests.unit.server.test_invariants import COUNTED, SCORED

from medfl_common.errors import MedflError, RunError
from medfl_common.plan.plan import Plan
from medfl_common.wire.objects import check_objects
from medfl_common.wire.results import TrainResult, encode_result, plan_number
from medfl_common.wire.tasks import TrainTask, decode_task_head, decode_task_weights, encode_task
from medfl_server.aggregation.admission import Known, admit
from medfl_server.reports.heterogeneity import differences
from medfl_server.superlink.arrivals import SENDER

SHAPES = {"w": (7,), "bn.running_var": (2,)}
WEIGHTS = {name: torch.ones(shape) for name, shape in SHAPES.items()}
KINDS = ("train", "evaluate", "describe", "error")
SHARES = {"replies": 0.45, "objects": 0.25, "tasks": 0.15, "requests": 0.15}


def task(plan: Plan, kind: str) -> TrainTask:
    kind = "train" if kind == "error" else kind
    return TrainTask(kind, "0" * 32, 2, 77, "north", plan, WEIGHTS)  # type: ignore[arg-type]


def reply(plan: Plan, kind: str) -> RecordDict:
    ids = (plan_number(plan), 2, 77)
    results = {
        "train": TrainResult(
            *ids, n_images=9, n_steps=2, score_counts=SCORED, exact_auc=0.5,
            update={name: torch.zeros(shape) for name, shape in SHAPES.items()},
        ),
        "evaluate": TrainResult(*ids, score_counts=SCORED, exact_auc=0.5),
        "describe": TrainResult(*ids, statistics=COUNTED),
        "error": TrainResult(*ids, code=500, incident=123456789),
    }  # fmt: skip
    return encode_result(results[kind])


def judge(content: RecordDict, plan: Plan, kind: str) -> str:
    """Take a reply as the round loop does; what is let in must be fit to be used."""
    try:
        result = admit(content, task(plan, kind), SHAPES, None, 20.0, Known(9, WEIGHTS))
    except RunError:
        return "refused"
    numbers = (result.train_loss, result.seconds, result.exact_auc or 0.0, result.start_loss or 0.0)
    assert result.code or all(map(math.isfinite, numbers))
    if result.statistics is not None:
        differences({"north": result.statistics, "south": COUNTED})
    for name, change in (result.update or {}).items():
        assert torch.isfinite(WEIGHTS[name] + change).all()
    return "admitted"


def fuzz_replies(mutator: Mutator, plan: Plan, n: int) -> Iterator[str]:
    good = {kind: reply(plan, kind) for kind in KINDS}
    for i in range(n):
        kind = KINDS[i % len(KINDS)]
        yield judge(mutator.records(good[kind]), plan, kind)


def fuzz_objects(mutator: Mutator, plan: Plan, wire: Wire, n: int) -> Iterator[str]:
    """Bytes of stored objects, put under the ids that they then have, up to the root."""
    asked = wire.ask("north", encode_task(task(plan, "train")))
    originals = [wire.reply(asked, reply(plan, kind))[1] for kind in KINDS]
    for i in range(n):
        kind = KINDS[i % len(KINDS)]
        objects, root = changed_objects(mutator, originals[i % len(KINDS)])
        try:
            check_objects(root, objects.get, 2**20)
        except MedflError:
            yield "refused"
            continue
        try:
            message = inflate_object_from_contents(root, dict(objects))
            content = message.content  # type: ignore[attr-defined]
        except Exception:  # as the Grid does: it costs the site
            yield "unreadable"
            continue
        yield judge(content, plan, kind)


def changed_objects(mutator: Mutator, objects: Objects) -> tuple[Objects, str]:
    """Change one object, and the ids above it."""
    victim, renamed, made = mutator.random.choice([*objects]), dict[str, str](), Objects()
    for name, content in objects.items():
        head, _, body = content.partition(b"\0")
        words = [head.split(b" ")[0].decode(), head.split(b" ")[1].decode()]
        for old, new in renamed.items():
            words[1] = words[1].replace(old, new)
            body = body.replace(old.encode(), new.encode())
        if name == victim:
            body = mutator.bytes_of(body)
            if mutator.random.random() < 0.2:
                words[0] = mutator.random.choice(("Array", "RecordDict", "ArrayChunk", "Message"))
        renamed[name], content = stored(words[0], words[1].split(",") if words[1] else [], body)
        made[renamed[name]] = content
    return made, [*made][-1]


def fuzz_tasks(mutator: Mutator, plan: Plan, n: int) -> Iterator[str]:
    good = encode_task(task(plan, "train"))
    for _ in range(n):
        content = mutator.records(good)
        try:
            decode_task_weights(content, decode_task_head(content), SHAPES, {})
        except MedflError:
            yield "refused"
        else:
            yield "admitted"


def fuzz_requests(mutator: Mutator, wire: Wire, plan: Plan, n: int) -> Iterator[str]:
    """Requests of Flower's fleet API from an enrolled key; after each the round loop's looks."""
    asked = wire.ask("north", encode_task(task(plan, "train")))
    honest = wire.ask("south", encode_task(task(plan, "train")))
    kinds = fleet_requests(wire, asked, reply(plan, "train"))
    for i in range(n):
        request, handle = kinds[i % len(kinds)]
        token = SENDER.set(wire.key("north"))
        try:
            changed = type(request)()
            changed.ParseFromString(mutator.bytes_of(request.SerializeToString()))
            handle(changed)
            found = "answered"
        except DecodeError:
            found = "no protobuf"
        except Exception:  # as the listener does: the request is answered with 500
            found = "refused"
        finally:
            SENDER.reset(token)
        wire.link._arrivals.has_room()
        wire.link.connected_sites()
        wire.post.fetch(asked)
        assert wire.post.fetch(honest) is None
        yield found


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Flower has a line for each request."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = Wire(tmp_path_factory.mktemp("wire"))
    yield made
    made.close()


def run(n: int, seed: int, plan: Plan, wire: Wire) -> dict[str, Counter[str]]:
    """Try n mutations; anything that escapes is a crash and ends the test."""
    mutator, parts = Mutator(seed), {name: int(n * share) for name, share in SHARES.items()}
    return {
        "replies": Counter(fuzz_replies(mutator, plan, parts["replies"])),
        "objects": Counter(fuzz_objects(mutator, plan, wire, parts["objects"])),
        "tasks": Counter(fuzz_tasks(mutator, plan, parts["tasks"])),
        "requests": Counter(fuzz_requests(mutator, wire, plan, parts["requests"])),
    }


def test_no_message_ends_an_end(plan: Plan, wire: Wire) -> None:
    found = run(2000, 1, plan, wire)

    assert sum(map(Counter.total, found.values())) == 2000
    assert all(len(kinds) > 1 for kinds in found.values())  # some pass, or nothing was tried


@pytest.mark.slow
def test_none_of_100_000_messages_ends_an_end(plan: Plan, wire: Wire) -> None:
    found = run(100_000, 2, plan, wire)

    print(found)
    assert sum(map(Counter.total, found.values())) == 100_000
