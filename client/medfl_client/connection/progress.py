"""Requests of the SuperNode that end when their bytes stop coming, and say so."""

import time
from typing import Any

import httpx

STALLED = (
    "medfl: the bytes of a request stopped"  # the SuperNode prints it, the supervisor reads it
)
WINDOW_S = 30.0  # in so much time ...
LEAST_BYTES = 4096  # ... at least so many must come, or the request ends and is tried again


class SteadyClient(httpx.Client):
    """An HTTP client that waits for no answer whose bytes do not come any more."""

    def send(self, request: httpx.Request, **settings: Any) -> httpx.Response:
        """Send a request and read the answer; raises a timeout where it stands still."""
        try:
            return _read(super().send(request, **{**settings, "stream": True}))
        except (httpx.ReadTimeout, httpx.WriteTimeout):
            print(STALLED, flush=True)
            raise


def _read(response: httpx.Response) -> httpx.Response:
    """Read a whole body; no timeout of a socket ends one that comes byte by byte."""
    parts, n_before, n, began = list[bytes](), 0, 0, time.monotonic()
    try:
        for part in response.iter_raw():
            parts.append(part)
            n += len(part)
            if time.monotonic() - began > WINDOW_S:
                if n - n_before < LEAST_BYTES:
                    raise httpx.ReadTimeout("too slow", request=response.request)
                n_before, began = n, time.monotonic()
    finally:
        response.close()
    return httpx.Response(
        response.status_code,
        headers=response.headers,
        content=b"".join(parts),
        request=response.request,
        extensions=response.extensions,
        history=response.history,
    )
