"""Secure sums against Flower's SecAgg+: CPU seconds, bytes and trips of a round.

    secure_sums.py SIZE_MB:N_SITES:N_LOST ...      # rows of both, a process each, in turn
    secure_sums.py one N_SITES N_WEIGHTS N_LOST whole|quick    # medfl's half, as a line of JSON

medfl's own machines of hospital and coordinator, without a line between them; lost hospitals vanish
after the setups, before their vector. One vector is in memory beside the total: each is added when
it comes. The opened sum is compared with the sum of the whole numbers, to the bit. `quick`, for
large rows: one hospital masks the whole vector and the others one number, which costs the same for
a hospital and for the coordinator's opening; its sum means nothing and is not compared.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from medfl_client.egress.sums.journal import FileJournal
from medfl_client.egress.sums.member import Member
from medfl_client.egress.sums.standing import Identity
from medfl_common.plan.privacy import SecureSum
from medfl_common.privacy.fixed_point import FixedPoint
from medfl_common.privacy.sum_keys import Stretch
from medfl_common.privacy.thresholds import threshold
from medfl_common.wire.secure_sum import Group, SumOrder, pack_order
from medfl_server.aggregation.secure_sum import SumStretch, open_sum

RUN, PLAN, WEIGHTS, MOST = "0" * 32, "1" * 64, "2" * 64, 5000
ROUNDS = 2  # of the stretch whose keys are made together
WHOLE = 600  # MB of vectors in a row, up to which it is run whole
Found = TypeVar("Found")
PEER = Path(__file__).parent / "peers" / "flower_secagg.py"


class Clock:
    """CPU seconds and bytes of each part of the work, by who does it."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}
        self.down = self.up = 0

    def run(self, name: str, work: Callable[[], Found]) -> Found:
        """Do something and write down what it took."""
        started = time.process_time()
        found = work()
        self.spent.setdefault(name, []).append(time.process_time() - started)
        return found

    def sent(self, kind: str, order: SumOrder, answer: bytes | None) -> None:
        """Count the bytes of a trip beside weights and masked numbers."""
        values = list(pack_order(kind, order).values())
        items = [item for v in values for item in (v if isinstance(v, list) else [v])]
        self.down += sum(len(i) if isinstance(i, bytes | str) else 8 for i in items)
        self.up += len(answer or b"")

    def median(self, name: str) -> float:
        """Give the median of a part."""
        return statistics.median(self.spent.get(name, [0.0]))

    def total(self, name: str) -> float:
        """Give the sum of a part."""
        return sum(self.spent.get(name, []))


def hospitals(n: int, work: Path) -> tuple[Group, dict[int, Member]]:
    """Make hospitals with keys and journals."""
    signing = {f"hospital-{i:02d}": Ed25519PrivateKey.generate() for i in range(1, n + 1)}
    lines = {
        name: key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        for name, key in signing.items()
    }
    group, sums = Group.of(lines), SecureSum(at_least=2)
    members = {
        group.place(name): Member(
            Identity(name, key, RUN, PLAN, sums), FileJournal.of(work / name, RUN)
        )
        for name, key in signing.items()
    }
    return group, members


def set_up(stretch: SumStretch, members: dict[int, Member], clock: Clock) -> None:
    """Make the keys of a stretch of rounds."""
    for place, member in members.items():
        order = clock.run("coordinator", stretch.order_keys)
        hello = clock.run("keys", lambda m=member, o=order: m.hello(o))
        clock.run("coordinator", lambda p=place, h=hello: stretch.take_hello(p, h))
        if place == 1:
            clock.sent("keys", order, hello)
    stretch.close_hellos()
    for place, member in members.items():
        order = clock.run("coordinator", stretch.order_setups)
        setups = clock.run("setups", lambda m=member, o=order: m.setups(o))
        clock.run("coordinator", lambda p=place, s=setups: stretch.take_setups(p, s))
        if place == 1:
            clock.sent("setups", order, setups)


def measure(n: int, n_weights: int, n_lost: int, way: str, work: Path) -> dict[str, object]:
    """Sum one round, and say what it took."""
    clock, (group, members) = Clock(), hospitals(n, work)
    t = threshold(n)
    stretch = SumStretch(Stretch(RUN, PLAN, group.hash, 1, 1, ROUNDS), group, t)
    set_up(stretch, members, clock)
    once_up, once_down, clock.up, clock.down = clock.up, clock.down, 0, 0
    rng, fixed = np.random.default_rng(0), FixedPoint(1.0, MOST, n)
    came = [place for place in members if place <= n - n_lost]
    total, plain = (np.full(n_weights, 0, np.uint32) for _ in range(2))  # in memory already
    for place in came:
        size = n_weights if way == "whole" or place == 1 else 1
        values = rng.standard_normal(size, dtype=np.float32) * np.float32(1e-3)
        n_images = int(rng.integers(100, MOST))
        part = "" if size == n_weights else ", one number"
        whole, _ = clock.run("quantise" + part, lambda v=values, k=n_images: fixed.quantise(v, k))
        order = clock.run("coordinator", lambda p=place: stretch.order_round(1, p))
        masked = clock.run(
            "mask" + part, lambda p=place, o=order, w=whole: members[p].mask(o, 1, w, WEIGHTS)
        )
        clock.run("add" + part, lambda m=masked, k=size: np.add(total[:k], m, out=total[:k]))
        plain[:size] += whole
        if place == 1:
            clock.sent("train", order, None)
    shares = {}
    for place in came:
        order = clock.run("coordinator", lambda p=place: stretch.order_open(1, p, came))
        shares[place] = clock.run("open", lambda p=place, o=order: members[p].open(o, 1))
        if place == 1:
            clock.sent("open", order, shares[place])
    opened = clock.run("opening", lambda: open_sum(stretch, 1, WEIGHTS, total, came, shares))
    parts = {name: clock.median(name) for name in ("keys", "setups", "quantise", "mask", "open")}
    return parts | {
        "site_s": parts["keys"] + parts["setups"] / ROUNDS + sum(
            parts[name] for name in ("quantise", "mask", "open")
        ),
        "server_s": clock.total("coordinator") + clock.median("add") * len(came)
        + clock.total("opening"),
        "add": clock.median("add"), "opening": clock.total("opening"),
        "up": clock.up, "down": clock.down, "once_up": once_up, "once_down": once_down,
        "trips": 2, "exact": bool(np.array_equal(opened, plain)) if way == "whole" else None,
        "mb": peak_mb(),
    }  # fmt: skip


def peak_mb() -> float:
    """Give the most memory of this process; that of the system call would be its parent's too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def main(rows: list[str]) -> None:
    """Print a row per size, number of hospitals and tool; `medfl` before the rows: its alone."""
    tools = ("medfl",) if rows[:1] == ["medfl"] else ("medfl", "Flower")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for row in rows[2 - len(tools) :]:
        mb, n, n_lost = (float(part) for part in row.split(":"))
        numbers = [str(int(n)), str(int(mb * 250_000)), str(int(n_lost))]
        numbers += ["whole" if mb * n <= WHOLE else "quick"]
        for name, command in (
            ("medfl", [__file__, "one", *numbers]),
            ("Flower", [str(PEER), *numbers]),
        ):
            if name not in tools:
                continue
            told = subprocess.run(
                [sys.executable, *command], capture_output=True, text=True, env=environment
            )
            last = (told.stdout or told.stderr).strip().splitlines()[-1]
            print(json.dumps({"row": row, "of": name, "way": numbers[-1]}), last, flush=True)
    print(f"load at the end: {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(*map(int, sys.argv[2:5]), sys.argv[5], Path(folder))))
    else:
        main(sys.argv[1:])
