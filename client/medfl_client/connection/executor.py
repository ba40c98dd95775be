"""The warm executor: takes tasks from the site's own SuperNode and runs the installed ClientApp.

The only file of the client with private flwr imports; a contract test holds them. Flower's own
executor unpacks the code that the coordinator sends and starts a Python for every message; this
one is one process, runs what pip installed, and never looks at the code in a message.
"""

import time
from collections.abc import Callable
from typing import NoReturn

import httpx
from flwr.app import Error, Message
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode, SubStatus
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.retry import make_simple_http_retry_invoker
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

POLL_S = 0.1  # between looks for a task
ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
TRIES = 3  # of a request to the SuperNode; it is on this machine


def serve(app: ClientApp, address: str, secret: bytes, is_open: Callable[[], bool]) -> NoReturn:
    """Run the app for the tasks of the SuperNode at `address`, until interrupted.

    While `is_open` gives False, tasks wait there; the app finishes a task that it has begun.
    """
    guard = SuperExecAuthHttpInterceptor(
        master_secret=secret, protected_methods=frozenset({ACQUIRE})
    )
    while True:
        client = _client(address, guard)
        try:
            while True:
                token = _acquire(client) if is_open() else None
                if token is None:
                    time.sleep(POLL_S)
                else:
                    _answer(app, _client(address, RuntimeTokenHttpInterceptor(token)))
        except (httpx.HTTPError, RuntimeError):  # the SuperNode is away; the supervisor restarts it
            time.sleep(POLL_S)
        finally:
            client.close()


def _client(
    address: str, interceptor: SuperExecAuthHttpInterceptor | RuntimeTokenHttpInterceptor
) -> RuntimeHttpClient:
    retry = make_simple_http_retry_invoker()
    retry.max_tries = TRIES
    return RuntimeHttpClient.from_server_address(
        server_address=address,
        insecure=True,
        root_certificates=None,
        interceptors=[RuntimeVersionHttpInterceptor(component_name="flwr-clientapp"), interceptor],
        retry_invoker=retry,
    )


def _acquire(client: RuntimeHttpClient) -> str | None:
    """Ask for a ClientApp task, and no other kind; give its token."""
    answer = client.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP]))
    return str(answer.token) if answer.HasField("task") and answer.token else None


def _answer(app: ClientApp, client: RuntimeHttpClient) -> None:
    """Run one task; whatever goes wrong outside the app's own firewall crosses as a bare code."""
    heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(client))
    heartbeat.start()
    context, outcome = None, SubStatus.FAILED
    try:
        message, context, _, _ = pull_task_input(client)  # drop the code bundle unread
        try:
            reply = app(message=message, context=context)
            outcome = SubStatus.COMPLETED
        except Exception:  # its text stays here
            error = Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, "medfl")
            reply = Message(error, reply_to=message)
        push_message(client, reply, context)
    finally:
        push_task_output(client, context, outcome, "")
        heartbeat.stop()
        client.close()
