"""Memory of messages that were read: Flower's are cycles, and pile up until they are collected."""

import gc

COLLECT_BYTES = 16 * 2**20  # of replies between two garbage collections, with few sites


class SpentMessages:
    """Collects garbage after many bytes.

    A collection goes through the tasks that still wait, too: the more, the seldomer.
    """

    def __init__(self, n_sites: int) -> None:
        self._most = COLLECT_BYTES * (1 + n_sites // 500)
        self._n_bytes = 0  # since the last collection

    def note(self, n_bytes: int) -> None:
        """Note that a message was read."""
        self._n_bytes += n_bytes
        if self._n_bytes > self._most:
            gc.collect()
            self._n_bytes = 0
