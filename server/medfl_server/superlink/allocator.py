"""Return large freed memory to the system at once, so that no round's peak stays allocated.

glibc keeps freed blocks of some megabytes, in a pool for each thread; the pieces in which Flower
moves arrays are of that size. See mallopt(3). Elsewhere this does nothing.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h
LARGE = 2**20  # bytes; a larger block is of its own, and gone when it is freed


def give_back_large_blocks() -> None:
    """Set the threshold for this process."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, LARGE)
        mallopt(M_ARENA_MAX, 2)


@contextmanager
def quick_collections() -> Iterator[None]:
    """Exclude all present objects from garbage collection: a round then scans only its own.

    Imported code is a million objects, a quarter of a second for each collection after a large
    message.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # Python collects by itself at a quarter more objects than after the last time
    try:
        yield
    finally:
        gc.unfreeze()
