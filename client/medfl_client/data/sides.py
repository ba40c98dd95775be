"""The sides of a volume that has its own, before its numbers in a worker's answer."""

import struct
from collections.abc import Sequence

from medfl_common.plan.images import Images

_SIDES = struct.Struct("<3I")


def sides_bytes(images: Images) -> int:
    """Count the bytes that the sides take: none where all images have the plan's."""
    return _SIDES.size if images.patch is not None else 0


def pack_sides(sides: Sequence[int], images: Images) -> bytes:
    """Write the sides, slices first."""
    return _SIDES.pack(*sides) if images.patch is not None else b""


def take_sides(body: memoryview, images: Images) -> tuple[tuple[int, ...], memoryview]:
    """Read the sides, and give what follows; raises ValueError for those that no image has."""
    if images.patch is None:
        return images.shape[1:], body
    sides = _SIDES.unpack_from(body)
    if images.held(sides) != sides:
        raise ValueError("sides that no volume of the plan has")
    return sides, body[_SIDES.size :]
