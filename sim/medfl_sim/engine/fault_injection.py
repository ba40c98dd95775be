"""Injected faults in a round: a mod of the sites' Flower app delays, drops and corrupts replies."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from flwr.app import Context, Message
from flwr.clientapp.typing import ClientAppCallable, Mod

from medfl_client.egress.guard import refuse
from medfl_client.task.session import shapes_of
from medfl_common.errors import ConfigError, SimulatedAbsenceError, new_incident
from medfl_common.models import build_model
from medfl_common.models.norms import is_statistic
from medfl_common.plan.halves import at_coordinator
from medfl_common.plan.plan import Plan, plan_from_json
from medfl_common.privacy.thresholds import threshold
from medfl_common.seeds import numpy_generator
from medfl_common.wire.tasks import decode_task_head
from medfl_common.wire.tensors import Shapes, codec_of, decode_weights, encode_weights
from medfl_server.aggregation.aggregator import quorum_of
from medfl_server.rounds.sampling import choose_sites
from medfl_server.study.deadline import N_TIMES, following
from medfl_sim.data.faults import Delay, Fault, UpdateFault, struck


def misbehaviour(faults: Sequence[Fault], roster: Sequence[str]) -> list[Mod]:
    """Make the mods of the virtual hospitals' app; none if no fault needs one."""
    delays = [(f, struck(f, roster)) for f in faults if isinstance(f, Delay)]
    updates = [(f, struck(f, roster)) for f in faults if isinstance(f, UpdateFault)]
    if not delays and not updates:
        return []

    @lru_cache(maxsize=2)
    def times_in(plan: str, round_: int) -> dict[str, float]:
        return times_of_round(delays, plan_from_json(plan), roster, round_)

    def mod(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        task, site = decode_task_head(message.content), str(context.node_config["site"])
        if task.kind != "train":
            return call_next(message, context)
        times = times_in(task.plan.canonical(), task.round)
        if math.isinf(times.get(site, 0.0)):
            code = SimulatedAbsenceError.code
            return Message(refuse(task, code, new_incident()), reply_to=message)
        reply = call_next(message, context)
        if times.get(site, 0.0) and "numbers" in reply.content.metric_records:
            reply.content.metric_records["numbers"]["seconds"] = times[site]
        mine = [fault for fault, sites in updates if site in sites]
        _corrupt_update(reply, mine, task.plan, task.round, site)
        return reply

    return [mod]


def check_faults(faults: Sequence[Fault], plan: Plan) -> None:
    """Raise ConfigError for a fault that would change nothing: masked updates are not seen."""
    if plan.privacy.secure_sum is not None and any(isinstance(f, UpdateFault) for f in faults):
        raise ConfigError(
            "faults of updates are put into messages, and with privacy.secure_sum these are masked",
            todo="leave them out, or simulate them without privacy.secure_sum",
        )


def times_of_round(
    delays: Sequence[tuple[Delay, Sequence[str]]], plan: Plan, roster: Sequence[str], round_: int
) -> dict[str, float]:
    """Draw the seconds that each delayed site takes in a round; infinite: it is absent.

    A site beyond the deadline is absent too, unless the round waits for so many and not for all. At
    most as many sites are absent as the quorum allows:
    if there are more, some answer at once all the same. The draws depend on seed, round and site
    alone: a repeated round has the same faults.
    """
    times, asked = _drawn(delays, plan, round_), choose_sites(plan, roster, round_)
    deadline_s = _deadline_s(delays, plan, roster, round_)
    late = [s for s in times if s in asked and (times[s] > deadline_s or math.isinf(times[s]))]
    most = max(0, len(asked) - _needed(plan, len(roster)))
    order = numpy_generator(plan.seed, "who is away", round_).permutation(len(late))
    for place, chosen in enumerate(order):
        times[late[chosen]] = math.inf if place < most else 0.0
    return times


def _needed(plan: Plan, n_sites: int) -> int:
    """Count the replies that a round needs."""
    quorum, sums = quorum_of(plan.federation, n_sites), plan.privacy.secure_sum
    return quorum if sums is None else max(quorum, threshold(n_sites, sums.may_lose))


def _drawn(
    delays: Sequence[tuple[Delay, Sequence[str]]], plan: Plan, round_: int
) -> dict[str, float]:
    """Draw each delayed site's seconds, whatever the deadline."""
    times: dict[str, float] = {}
    for fault, sites in delays:
        for site in sites:
            rng = numpy_generator(plan.seed, f"fault {type(fault).__name__}", round_, site)
            times[site] = times.get(site, 0.0) + fault.seconds(rng)
    return times


def _deadline_s(
    delays: Sequence[tuple[Delay, Sequence[str]]], plan: Plan, roster: Sequence[str], round_: int
) -> float:
    """Give the deadline in simulated seconds; `auto` follows those of the rounds before."""
    if at_coordinator(plan.federation).buffer is not None:
        return math.inf
    if plan.federation.deadline_s != "auto":
        return plan.federation.deadline_s
    known: list[float] = []
    for before in range(max(1, round_ - N_TIMES), round_):
        asked, times = choose_sites(plan, roster, before), _drawn(delays, plan, before)
        known += [s for site, s in times.items() if site in asked and math.isfinite(s)]
    return following(known)


def speed_of(
    faults: Sequence[Fault], plan: Plan, roster: Sequence[str]
) -> Callable[[str, int], float]:
    """Return a site's simulated seconds in a round: 1, and its delay.

    The app of an absent site reports its absence after 1 second.
    """
    delays = [(fault, struck(fault, roster)) for fault in faults if isinstance(fault, Delay)]

    def speed(site: str, round_: int) -> float:
        seconds = times_of_round(delays, plan, roster, round_).get(site, 0.0)
        return 1.0 if math.isinf(seconds) else 1.0 + seconds

    return speed


def _corrupt_update(
    reply: Message, faults: Sequence[UpdateFault], plan: Plan, round_: int, site: str
) -> None:
    """Corrupt a reply's update; running statistics stay, they are no update."""
    record = reply.content.array_records.get("update")
    if record is None or not faults:
        return
    codec = codec_of(plan.federation.messages)
    update = decode_weights(record, _shapes(plan.canonical()), codec)
    trained = {name: tensor for name, tensor in update.items() if not is_statistic(name)}
    for fault in faults:
        rng = numpy_generator(plan.seed, f"fault {type(fault).__name__}", round_, site)
        trained = fault.corrupt_update(trained, rng)
    reply.content["update"] = encode_weights(
        {name: trained.get(name, t) for name, t in update.items()}, codec
    )


@lru_cache(maxsize=2)
def _shapes(plan: str) -> Shapes:
    return shapes_of(build_model(plan_from_json(plan)), "shared")
