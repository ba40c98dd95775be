"""The kind of device that did a site's work: of all that is known of it, only this leaves."""

from typing import Literal, get_args

from flwr.app import MetricRecord

from medfl_common.errors import RunError
from medfl_common.wire.read_numbers import read_integer

DEVICE = "device"  # its name in a reply
Device = Literal["cpu", "cuda"]
DEVICES: tuple[Device, ...] = get_args(Device)


def kind_of(torch_type: str) -> Device:
    """Give the kind of one of torch's devices: `cuda`, or a processor for all others."""
    return "cuda" if torch_type == "cuda" else "cpu"


def read_device(numbers: MetricRecord) -> Device | None:
    """Read it, or raise RunError; None: an earlier version of medfl does not tell."""
    if DEVICE not in numbers:
        return None
    place = read_integer(numbers, DEVICE)
    if not 0 <= place < len(DEVICES):
        raise RunError("the reply's device is none")
    return DEVICES[place]
