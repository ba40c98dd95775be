"""Messages made wrong: bytes flipped, and fields changed by who knows what they mean."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

NUMBERS: Sequence[Any] = (
    0, 1, -1, 2**31, 2**62, 2**63 - 1, -(2**63), 2**64 - 1, 10**8 + 1, 0.0, -0.5, 1e300, -1e300,
    3e38, float("nan"), float("inf"), float("-inf"), 5e-324, [], [0], [2**62] * 4, [0.5],
    [float("nan")] * 4, [-1] * 128, [0] * 1000,
)  # fmt: skip
TEXTS: Sequence[Any] = (
    "", "\0", "\x1b[2J", "\u202e", "a" * 10_000, "../../x", "null", "{}", "[" * 2000, '{"plan": 1}',
    '{"a": ' * 500, "-1", "0" * 32, "1e999", "NaN", b"bytes", 1, 2.5, [1], ["a"], True,
)  # fmt: skip
HEADERS = (
    b"{'descr': (), 'fortran_order': False, 'shape': (7,), }", b"{'descr': '|O'}", b"[" * 90,
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999,), }", b"__import__('os')",
    b"{'descr': [('a', '<f4', (999999, 999999))], 'fortran_order': False, 'shape': (7,), }",
)  # fmt: skip
NAMES = ("numbers", "update", "seal", "task", "weights", "start", "told", "extra", "", "\0")


class Mutator:
    """Changes one to four things, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def bytes_of(self, data: bytes) -> bytes:
        """Flip, cut, double, or put in bytes."""
        changed = bytearray(data)
        for _ in range(self.random.randint(1, 4)):
            if not changed:
                return bytes(changed)
            at = self.random.randrange(len(changed))
            kind = self.random.randrange(5)
            if kind == 0:
                changed[at] ^= 1 << self.random.randrange(8)
            elif kind == 1:
                changed[at] = self.random.choice((0, 1, 0x7F, 0x80, 0xFF))
            elif kind == 2:
                del changed[at : at + self.random.randint(1, 20)]
            elif kind == 3:
                changed[at:at] = changed[at : at + self.random.randint(1, 20)]
            else:
                changed[at:at] = self.random.randbytes(self.random.randint(1, 8))
        return bytes(changed)

    def records(self, content: RecordDict) -> RecordDict:
        """Change a copy of a message's records."""
        changed = RecordDict({name: _copy(record) for name, record in content.items()})
        for _ in range(self.random.randint(1, 4)):
            self.random.choice(self._ways())(changed)
        return changed

    def _ways(self) -> list[Callable[[RecordDict], None]]:
        return [self._field, self._field, self._field, self._array, self._array, self._record]

    def _field(self, content: RecordDict) -> None:
        """Change, remove or add a number or a text."""
        records = [*content.metric_records.values(), *content.config_records.values()]
        if not records:
            return
        record = self.random.choice(records)
        key = self.random.choice([*record, "extra", "code", "start_loss", "data_samples"])
        if self.random.random() < 0.2:
            record.pop(key, None)
            return
        value = self.random.choice(TEXTS if isinstance(record, ConfigRecord) else NUMBERS)
        try:
            record[key] = value
        except (TypeError, ValueError):  # Flower takes no such value: nobody can send it
            return

    def _array(self, content: RecordDict) -> None:
        """Change an array's bytes, header or name."""
        records = [record for record in content.array_records.values() if record]
        if not records:
            return
        record = self.random.choice(records)
        name = self.random.choice([*record])
        data, kind = record[name].data, self.random.randrange(4)
        if kind == 0:
            data = self.bytes_of(data[:140]) + data[140:]
        elif kind == 1:
            data = data[: self.random.randrange(len(data) + 1)]
        elif kind == 2:
            head = self.random.choice(HEADERS).ljust(117)[:117] + b"\n"
            data = data[:8] + len(head).to_bytes(2, "little") + head + data[10 + len(head) :]
        else:
            del record[name]
            name = self.random.choice(NAMES)
        stype = self.random.choice(("numpy.ndarray", "numpy.ndarray", "pickle", ""))
        record[name] = Array("float32", (self.random.choice((7, 0, -1, 2**40)),), stype, data)

    def _record(self, content: RecordDict) -> None:
        """Remove a record, put one under another's name, or add one."""
        names = [*content]
        if not names or self.random.random() < 0.3:
            empty = self.random.choice((ArrayRecord, MetricRecord, ConfigRecord))()
            content[self.random.choice(NAMES)] = empty
        elif self.random.random() < 0.5:
            content[self.random.choice(NAMES)] = content[self.random.choice(names)]
        else:
            del content[self.random.choice(names)]


def _copy(record: Any) -> Any:
    return ArrayRecord(dict(record)) if isinstance(record, ArrayRecord) else type(record)(record)
