"""A console on an address: uvicorn without a log of requests, which would hold links."""

import asyncio
import socket
from collections.abc import Callable

from starlette.types import ASGIApp

from medfl_common.errors import LinkError, system_reason


def serve(
    app: ASGIApp, host: str, port: int, ready: Callable[[int], None],
    certificate: str | None = None, key: str | None = None,
) -> None:  # fmt: skip
    """Answer until Ctrl-C; `ready` is told the port once it is open. Raises LinkError."""
    import uvicorn

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise LinkError(
                f"port {port} on {host} cannot be used for the console ({system_reason(error)})",
                todo="stop what uses it, or take another with --port",
            ) from None
        ready(listening.getsockname()[1])
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, date_header=False,
            ssl_certfile=certificate, ssl_keyfile=key, timeout_graceful_shutdown=1,
        )  # fmt: skip
        asyncio.run(uvicorn.Server(config).serve([listening]))
