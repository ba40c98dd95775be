"""What one trip of a secure sum tells each site, and how long the answers are."""

from collections.abc import Mapping
from dataclasses import dataclass

from medfl_common.wire.secure_sum import SumOrder


@dataclass(frozen=True)
class SumTrip:
    """One trip.

    orders: By site.
    size: Numbers of a masked vector, or bytes of the answer to a small trip.
    """

    orders: Mapping[str, SumOrder]
    size: int
