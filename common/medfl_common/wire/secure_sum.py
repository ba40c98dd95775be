"""The trips of a secure sum: what goes down, what comes up, to the byte.

The group: the hospitals in alphabetical order of their names, each with the OpenSSH line of its
signing key (Ed25519, as enrolled, without a comment). A hospital's place is its number in it, from
1. Each hospital approves the group's hash with the plan.

A stretch is a run of rounds for which keys are made together (20 at most). Its number goes up by 1
or more within a run; a site that was asked for the keys of a stretch never answers an earlier one
again. The cohort is the places that take part in a stretch: all of them take part in each of its
rounds, as far as they are there; nobody joins within a stretch. The coordinator begins a new one
when the rounds run out, when a round was not opened, when a site is away for long, or is back.

    kind     down (config record `sum`, beside `task`)          up (array record `part`, uint8)
    keys     number first last names keys                       hello
    setups   number first last group cohort hellos              setup of each round, in order
    train    number first last group setups, and the weights    `masked` in place of all else
    open     number first last group summed sealed              share of each place of the cohort

    hello    channel key 32 | signature 64                                                  96 bytes
    setup    entry, then for each other place of the cohort, in order: sealed          128 + 82(a-1)
    entry    mask key 32 | SHA-256 of seed b 32 | signature 64                             128 bytes
    sealed   ChaCha20-Poly1305 of (share of b 33 | share of the mask key 33)                82 bytes
    share    of b where the place is in `summed`, of the mask key where it is not           33 bytes

A scoring (evaluate, test) is masked and opened as a round is (train), under a number that no round
has: medfl_common.wire.tasks.sum_round. `open` names that number as its round; keys and setups, 0.

`hellos` holds a hello for each place of `cohort`, in order. `setups` holds for each other place of
the cohort, in order: entry | sealed for this site, 210 bytes. `sealed` holds the latter alone.
`masked` is (P,) uint32 under the name `flat`; medfl_common.wire.pooled says what its numbers mean.

A site answers with one cohort in a stretch; with one vector for a round of a stretch; with one list
`summed` for a round, for ever, of at least the threshold, itself included. `train` of a round that
it has opened in an earlier stretch is refused. It may be asked the same again at any time.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from numpy.typing import NDArray

from medfl_common.errors import LinkError, RunError, SumError
from medfl_common.privacy.shamir import SHARE_BYTES
from medfl_common.privacy.sum_keys import Stretch
from medfl_common.wire.digest import MASKED, PART, task_digest
from medfl_common.wire.tensors import FLAT, header

SUM = "sum"  # the record that goes down
MOST_ROUNDS = 20  # of a stretch
MOST_SITES = 2047  # of a group: so many numbers of 20 bits fit into 31
# The numbers that stand beside masked ones; those of ZERO are 0, as what they count is masked.
BESIDE = {
    "protocol", "plan", "round", "nonce", "code", "incident", "seconds", "versions", "device",
}  # fmt: skip
ZERO = {"n_images", "n_steps", "train_loss"}
KEY, SIGNATURE = 32, 64
HELLO = KEY + SIGNATURE
ENTRY = KEY + 32 + SIGNATURE
SEALED = 2 * SHARE_BYTES + 16
DELIVERED = ENTRY + SEALED
KINDS = ("keys", "setups", "open")  # the small trips; their answer is a part
LISTED = {  # what each kind of task says beside number, first and last
    "keys": ("names", "keys"),
    "setups": ("group", "cohort", "hellos"),
    "train": ("group", "setups"),
    "evaluate": ("group", "setups"),
    "test": ("group", "setups"),
    "open": ("group", "summed", "sealed"),
}
TYPES = {
    **dict.fromkeys(("number", "first", "last", "cohort", "summed"), int),
    **dict.fromkeys(("group", "names", "keys"), str),
    **dict.fromkeys(("hellos", "setups", "sealed"), bytes),
}


@dataclass(frozen=True)
class Group:
    """The hospitals that a plan's sums are of, in alphabetical order."""

    names: tuple[str, ...]
    keys: tuple[str, ...]  # OpenSSH lines of their signing keys, without a comment

    @classmethod
    def of(cls, keys: Mapping[str, str]) -> Self:
        """Put hospitals and their signing keys' lines in order."""
        names = sorted(keys)
        return cls(tuple(names), tuple(" ".join(keys[name].split()[:2]) for name in names))

    @cached_property
    def hash(self) -> str:
        """SHA-256, as hex: what a hospital approves."""
        said = json.dumps(["medfl group 1", [*self.names], [*self.keys]])
        return hashlib.sha256(said.encode()).hexdigest()

    def place(self, name: str) -> int:
        """Give a hospital's place, from 1; raises SumError where it is not in the group."""
        if name not in self.names:
            raise SumError(f"{name} is not in the group of hospitals")
        return self.names.index(name) + 1

    @cached_property
    def public(self) -> dict[int, Ed25519PublicKey]:
        """The signing keys by place; raises SumError for a line that is none, or a second one."""
        found: dict[int, Ed25519PublicKey] = {}
        if len(self.names) != len(self.keys):
            raise SumError(f"the group has {len(self.names)} hospitals and {len(self.keys)} keys")
        for place, line in enumerate(self.keys, start=1):
            try:
                key = load_ssh_public_key(line.encode())
            except ValueError:
                key = None
            if not isinstance(key, Ed25519PublicKey):
                raise SumError(f"the group's key of {self.names[place - 1]} is no signing key")
            found[place] = key
        is_in_order = [*self.names] == sorted(set(self.names))
        if not is_in_order or len({*self.keys}) != len(self.names):
            raise SumError("the group names a hospital or a key twice, or is not in order")
        return found


@dataclass(frozen=True)
class SumOrder:
    """What a task says of a secure sum; each kind has some of it."""

    number: int
    first: int
    last: int
    group: str  # hash
    names: tuple[str, ...] = ()  # keys: the group
    keys: tuple[str, ...] = ()
    cohort: tuple[int, ...] = ()  # setups
    hellos: bytes = b""
    setups: bytes = b""  # train
    summed: tuple[int, ...] = ()  # open
    sealed: bytes = b""

    def stretch(self, run: str, plan: str) -> Stretch:
        """Give the stretch of rounds; `plan`: its hash."""
        return Stretch(run, plan, self.group, self.number, self.first, self.last)


def pack_order(kind: str, order: SumOrder) -> ConfigRecord:
    """Write what a kind of task says of a secure sum."""
    told = {name: getattr(order, name) for name in LISTED[kind]}
    lists = {name: [*value] if isinstance(value, tuple) else value for name, value in told.items()}
    numbers = {"number": order.number, "first": order.first, "last": order.last}
    return ConfigRecord({**numbers, **lists})


def read_order(kind: str, record: ConfigRecord) -> SumOrder:
    """Read it; raises LinkError for anything missing, added or of another type."""
    if kind not in LISTED or set(record) != {"number", "first", "last", *LISTED[kind]}:
        raise LinkError("the task says other things of a secure sum than it should")
    found: dict[str, object] = {}
    for name, value in record.items():
        values = value if isinstance(value, list) else [value]
        is_list = name in ("names", "keys", "cohort", "summed")
        if is_list != isinstance(value, list) or any(
            type(one) is not TYPES[name] for one in values
        ):
            raise LinkError(f"the task's {name} is of the wrong type")
        found[name] = tuple(value) if isinstance(value, list) else value
    if kind == "keys":
        if max(len(record["names"]), len(record["keys"])) > MOST_SITES:  # type: ignore[arg-type]
            raise LinkError(f"the task's group has more than {MOST_SITES} hospitals")
        found["group"] = Group(found["names"], found["keys"]).hash  # type: ignore[arg-type]
    order = SumOrder(**found)  # type: ignore[arg-type]
    if not 1 <= order.first <= order.last < order.first + MOST_ROUNDS or order.number < 1:
        raise LinkError("the task's stretch of rounds is none")
    return order


def weights_digest(content: RecordDict) -> str:
    """SHA-256 of the weights of a task, and of what the strategy sends beside them."""
    asked = {name: content[name] for name in ("weights", "told") if name in content}
    return task_digest(RecordDict(asked))


def n_part_bytes(kind: str, n_cohort: int, n_rounds: int) -> int:
    """Count the bytes of a site's answer to a small trip."""
    return {
        "keys": HELLO,
        "setups": n_rounds * (ENTRY + (n_cohort - 1) * SEALED),
        "open": n_cohort * SHARE_BYTES,
    }[kind]


def add_sum(content: RecordDict, masked: NDArray[np.uint32] | None, part: bytes) -> None:
    """Add (P,) masked numbers, or the answer to a small trip, to a reply."""
    if masked is not None:
        content[MASKED] = ArrayRecord({FLAT: Array(masked)})
    if part:
        content[PART] = ArrayRecord({FLAT: Array(np.frombuffer(part, np.uint8).copy())})


def read_part(content: RecordDict, size: int) -> bytes:
    """Read an answer of so many bytes, or raise RunError."""
    return _read(content, PART, "uint8", size).tobytes()


def read_masked(content: RecordDict, size: int) -> NDArray[np.uint32]:
    """Read (size,) masked numbers, or raise RunError."""
    return _read(content, MASKED, "uint32", size).astype(np.uint32, copy=True)


def _read(content: RecordDict, name: str, dtype: str, size: int) -> NDArray[np.generic]:
    record = content.array_records.get(name)
    if record is None or [*record] != [FLAT]:
        raise RunError(f"the reply has no {name}")
    start, data = header(dtype, size), record[FLAT].data
    if len(data) != len(start) + size * np.dtype(dtype).itemsize or not data.startswith(start):
        raise RunError(f"the reply's {name} is not {dtype} ({size},)")
    return np.frombuffer(data, dtype, offset=len(start))
