"""Three hospitals with real folders that take part in secure sums, by tasks and replies."""

from dataclasses import dataclass, field

import numpy as np
from flwr.app import RecordDict

from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import Site
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan
from medfl_common.privacy.sum_keys import Stretch
from medfl_common.privacy.thresholds import threshold
from medfl_common.wire.pooled import PooledLayout
from medfl_common.wire.secure_sum import Group, SumOrder, read_masked, read_part, weights_digest
from medfl_common.wire.tasks import Kind, TrainTask, encode_task, sum_round
from medfl_server.aggregation.secure_sum import SumStretch, open_sum

RUN = "cd" * 16
PART_SIZES = {"keys": 96, "setups": 2 * (128 + 2 * 82), "open": 3 * 33}


@dataclass
class Cohort:
    """Three hospitals with real folders, and what the coordinator knows of them."""

    plan: Plan
    sites: dict[str, Site]
    group: Group
    sessions: dict[str, Session] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def ask(self, name: str, kind: Kind, round_: int, order: SumOrder) -> RecordDict:
        """Give a hospital a task as it comes over the line."""
        weights = shared_weights(build_model(self.plan)) if kind in ("train", "evaluate") else {}
        content = encode_task(TrainTask(kind, RUN, round_, 7, name, self.plan, weights, sum=order))
        session = self.sessions.setdefault(name, Session())
        return handle_task(content, self.sites[name], session, self.said.append)

    def stretch(self, number: int = 1, first: int = 1, last: int = 2) -> SumStretch:
        told = Stretch(RUN, self.plan.hash(), self.group.hash, number, first, last)
        return SumStretch(told, self.group, threshold(len(self.group.names)))

    def set_up(self, number: int = 1, first: int = 1, last: int = 2) -> SumStretch:
        stretch = self.stretch(number, first, last)
        for place, name in enumerate(self.group.names, start=1):
            reply = self.ask(name, "keys", 0, stretch.order_keys())
            stretch.take_hello(place, read_part(reply, PART_SIZES["keys"]))
        stretch.close_hellos()
        for place, name in enumerate(self.group.names, start=1):
            reply = self.ask(name, "setups", 0, stretch.order_setups())
            stretch.take_setups(place, bytes(reply_bytes(reply)))
        return stretch

    def open(
        self, stretch: SumStretch, kind: Kind, round_: int, replies: dict[str, RecordDict]
    ) -> np.ndarray:
        number, summed = sum_round(kind, round_), [self.group.place(name) for name in replies]
        weights = {"weights": shared_weights(build_model(self.plan))}
        task = TrainTask(kind, RUN, round_, 7, "", self.plan, weights["weights"],
                         sum=stretch.order_round(number, 1))  # fmt: skip
        assert not [line for line in self.said if "not sent" in line], self.said
        total = np.zeros(self.layout(kind).length, np.uint32)
        for reply in replies.values():
            total += read_masked(reply, len(total))
        shares = {
            place: read_part(
                self.ask(name, "open", number, stretch.order_open(number, place, summed)),
                PART_SIZES["open"],
            )
            for place, name in zip(summed, replies, strict=True)
        }
        digest = weights_digest(encode_task(task))
        return open_sum(stretch, number, digest, total, summed, shares)

    def layout(self, kind: Kind) -> PooledLayout:
        shapes = {n: tuple(t.shape) for n, t in shared_weights(build_model(self.plan)).items()}
        return PooledLayout(self.plan, kind, shapes, len(self.group.names))

    def masked(self, stretch: SumStretch, kind: Kind, round_: int) -> dict[str, RecordDict]:
        number = sum_round(kind, round_)
        return {
            name: self.ask(name, kind, round_, stretch.order_round(number, place))
            for place, name in enumerate(self.group.names, start=1)
        }


def reply_bytes(reply: RecordDict) -> np.ndarray:
    return reply.array_records["part"]["flat"].numpy()


def code(reply: RecordDict) -> int:
    return int(reply.metric_records["numbers"]["code"])  # type: ignore[arg-type]
