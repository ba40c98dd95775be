"""A console on an address: uvicorn without a log of requests, which would hold links."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from starlette.types import ASGIApp

from medfl_common.errors import LinkError, system_reason


class Certificate(NamedTuple):
    """Files for TLS."""

    certificate: Path
    key: Path


def serve(
    app: ASGIApp, host: str, port: int, ready: Callable[[int], None],
    certificate: Certificate | None = None,
) -> None:  # fmt: skip
    """Answer until Ctrl-C; `ready` is told the port once it is open. Raises LinkError."""
    import uvicorn

    files = certificate and _checked(certificate)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host.strip("[]"), port))
        except OSError as error:
            raise LinkError(
                f"port {port} on {host} cannot be used for the console ({system_reason(error)})",
                todo="stop what uses it, or take another with --port",
            ) from None
        listening.listen()
        ready(listening.getsockname()[1])
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, date_header=False,
            proxy_headers=False,  # else any program here could choose the address it comes from
            http="h11", ws="none", lifespan="off", timeout_graceful_shutdown=1,
            ssl_certfile=files and files.certificate, ssl_keyfile=files and files.key,
        )  # fmt: skip
        with suppress(KeyboardInterrupt):  # uvicorn has ended, and tells of Ctrl-C once more
            asyncio.run(uvicorn.Server(config).serve([listening]))


def _checked(files: Certificate) -> Certificate:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*files)
    except (OSError, ssl.SSLError) as error:
        raise LinkError(
            f"{files.certificate} and {files.key} are no certificate and its key "
            f"({system_reason(error)})",
            todo="name PEM files, the certificate with its chain",
        ) from None
    if files.key.stat().st_mode & 0o007:
        raise LinkError(f"everybody here can read {files.key}", todo=f"chmod 600 {files.key}")
    return files
