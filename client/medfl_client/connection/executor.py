"""The warm executor: takes tasks from the site's own SuperNode and runs the installed ClientApp.

The only file of the client with private flwr imports; a contract test holds them. Flower's own
executor unpacks the code that the coordinator sends and starts a Python for every message; this
one is one process, runs what pip installed, and never looks at the code in a message. Nor has it
Flower's retries and heartbeats: these end the process where the SuperNode does not know a task any
more, as after its restart. Here such an answer is dropped; the site keeps it, and sends it when the
coordinator asks again.
"""

import contextlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import httpx
from flwr.app import Context, Error, Message
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode, SubStatus
from flwr.common.serde import context_from_proto
from flwr.proto.message_pb2 import PullObjectRequest, PullObjectResponse
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullAppMessagesRequest,
    PullTaskInputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.supercore.constant import TaskType
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents, pull_objects
from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.runtime.run_clientapp import push_message, push_task_output

from medfl_client.connection.meeting_place import (
    NONCE_HEADER,
    PROOF_HEADER,
    MeetingPlace,
    proof,
)
from medfl_common.errors import LinkError
from medfl_common.ops.machine import available_memory
from medfl_common.wire.objects import check_objects

POLL_S = 0.1  # between looks for a task
BEAT_S = 15.0  # between heartbeats of a task; the SuperNode gives it up after 60
ANSWER_S = 60.0  # for the SuperNode to answer or to take more bytes; it is on this machine
# The SuperNode fetches parts of 5 MB; so long without a new one, and nothing comes any more.
STALLED_S = 900.0
MAX_TASK = 2**34  # bytes of a task where the memory of this machine is not known
ACQUIRE = "/flwr.proto.Runtime/AcquireTask"

Tell = Callable[[str], None]
Interceptor = SuperExecAuthHttpInterceptor | RuntimeTokenHttpInterceptor


def serve(
    app: ClientApp, place: MeetingPlace, is_open: Callable[[], bool], tell: Tell, renew: Tell
) -> NoReturn:
    """Run the app for the tasks of the SuperNode at a place, until interrupted.

    While `is_open` gives False, tasks wait there; the app finishes a task that it has begun.

    Args:
        app: Answers messages.
        place: Where the SuperNode is.
        is_open: Says whether tasks are taken now.
        tell: Takes a line for the eyes of the site.
        renew: Ends a SuperNode that waits for what will not come, for a reason in words.
    """
    guard = SuperExecAuthHttpInterceptor(
        master_secret=place.secret, protected_methods=frozenset({ACQUIRE})
    )
    while True:
        try:
            with _Client(place, guard) as client:
                while True:
                    token = _acquire(client) if is_open() else None
                    if token is None:
                        time.sleep(POLL_S)
                    else:
                        _work(app, place, token, tell, renew)
        except httpx.HTTPError:  # the SuperNode is away; the supervisor starts it again
            time.sleep(POLL_S)
        except Exception as error:  # such as a stranger in its place, or no message
            renew(_explained(error))
            time.sleep(POLL_S)


def _work(app: ClientApp, place: MeetingPlace, token: str, tell: Tell, renew: Tell) -> None:
    """Answer a task; what Flower raises or the SuperNode's end must not end this process."""
    is_made = False
    try:
        guard = RuntimeTokenHttpInterceptor(token)
        with _Client(place, guard) as client:
            with _heartbeats(place, guard):
                message, context = _take(client)
                reply, outcome = _answer(app, message, context)
                is_made = True
                push_message(client, reply, context)
            # After the last heartbeat: the SuperNode forgets the task now.
            push_task_output(client, context, outcome, "")
    except Exception as error:
        if not _is_forgotten(error):  # it gave a task and would wait for the answer for ever
            renew(_explained(error))
        elif is_made:
            tell(
                "the connection ended meanwhile; the answer is kept for when it is asked for again"
            )


def _is_forgotten(error: Exception) -> bool:
    """Say whether the SuperNode does not know the task: it is another, or has given it up."""
    if not isinstance(error, httpx.HTTPStatusError):
        return False
    return error.response.status_code == httpx.codes.UNAUTHORIZED


def _explained(error: Exception) -> str:
    if isinstance(error, LinkError):
        return error.what
    return "the connection lost a message; connecting again to send it again"


class _Handshake:
    """Believes no answer but of who has the secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        """Ask for the proof, and check it before anybody reads the answer."""
        nonce = secrets.token_hex(16)
        context.request.headers[NONCE_HEADER] = nonce
        response = call_next(context)
        shown = response.headers.get(PROOF_HEADER, "")
        if not hmac.compare_digest(shown.encode(), proof(self._secret, nonce).encode()):
            raise LinkError(
                "another program answers in the place of this client's SuperNode; it got nothing"
            )
        return response


class _Client(RuntimeHttpClient):
    """Flower's client of the SuperNode, over a Unix socket, without proxies and retries."""

    def __init__(self, place: MeetingPlace, interceptor: Interceptor) -> None:
        self._base_url = "http://supernode"  # a name only; the socket is the address
        self._interceptors = (_Handshake(place.secret), interceptor)
        self._retry_invoker = None
        transport = httpx.HTTPTransport(uds=place.path)
        self._client = httpx.Client(transport=transport, timeout=ANSWER_S, trust_env=False)


def _acquire(client: RuntimeHttpClient) -> str | None:
    """Ask for a ClientApp task, and no other kind; give its token."""
    answer = client.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP]))
    return str(answer.token) if answer.HasField("task") and answer.token else None


def _answer(app: ClientApp, message: Message, context: Context) -> tuple[Message, str]:
    """Run the app; whatever goes wrong outside its own firewall crosses as a bare code."""
    try:
        return app(message=message, context=context), SubStatus.COMPLETED
    except Exception:  # its text stays here
        error = Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, "medfl")
        return Message(error, reply_to=message), SubStatus.FAILED


@contextlib.contextmanager
def _heartbeats(place: MeetingPlace, guard: Interceptor) -> Iterator[None]:
    """Let the SuperNode know that the task is worked on; one that forgot it is told no more.

    They have a connection of their own, which they close: where a task fails, nobody waits for a
    heartbeat that is under way.
    """
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            try:
                with _Client(place, guard) as client:
                    if not client.SendTaskHeartbeat(SendTaskHeartbeatRequest()).success:
                        return
            except (httpx.TransportError, LinkError):
                continue  # away or slow: the next may pass
            except Exception:
                return

    thread = threading.Thread(target=beat, name="heartbeats", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
    thread.join(ANSWER_S)


def _take(client: RuntimeHttpClient) -> tuple[Message, Context]:
    """Fetch the task's message; the code bundle beside it is dropped unread."""
    task = client.PullTaskInput(PullTaskInputRequest())
    context = context_from_proto(task.context)
    TaskIdentity.task_id, TaskIdentity.run_id = task.task_id, task.run.run_id
    TaskIdentity.node_id = context.node_id
    given = client.PullMessages(PullAppMessagesRequest())
    node, tree = Node(node_id=context.node_id), given.message_object_trees[0]
    parts = pull_objects(
        [one.object_id for one in iterate_object_tree(tree)],
        make_pull_object_fn_protobuf(_Progress(client).pull, node, context.run_id),
        max_time=None,
        max_tries_per_object=None,
    )
    confirm = make_confirm_message_received_fn_protobuf(
        client.ConfirmMessageReceived, node, context.run_id
    )
    confirm(tree.object_id)
    check_objects(tree.object_id, parts.get, (available_memory() or MAX_TASK) // 2)
    message = inflate_object_from_contents(tree.object_id, parts)
    assert isinstance(message, Message)  # check_objects has seen its kind
    message.metadata.__dict__["_message_id"] = tree.object_id
    return message, context


class _Progress:
    """Fetches parts of a message while the SuperNode gets them; ends when no more come."""

    def __init__(self, client: RuntimeHttpClient) -> None:
        self._client = client
        self._last = time.monotonic()

    def pull(self, request: PullObjectRequest) -> PullObjectResponse:
        """Fetch a part, or hear that it has not come yet."""
        response = self._client.PullObject(request)
        now = time.monotonic()
        if response.object_available:
            self._last = now
        elif now - self._last > STALLED_S:
            raise LinkError(
                f"no byte of a task came for {STALLED_S / 60:.0f} min; connecting again"
            )
        return response
