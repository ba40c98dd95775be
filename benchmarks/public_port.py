"""What strangers and a hospital that means ill do to the public port, and what honest sites wait.

    python benchmarks/public_port.py FOLDER [CONNECTIONS]

A SuperLink in a process of its own with four enrolled keys. An honest hospital makes a signed
request over a new connection every half second; meanwhile strangers hold connections without a
word, with half a header, and send bodies of 16 MB, and three hospitals announce replies that never
finish while the honest one announces its own.
"""

import base64
import contextlib
import json
import os
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SERVE = """
import json, sys, time
from pathlib import Path
import medfl_server
from flwr.serverapp import ServerApp
from medfl_common.run.folder import RunFolder
from medfl_server.roster.enrolment import Enrolled
from medfl_server.superlink.listener import Listener
from medfl_server.superlink.superlink import SuperLink
folder = Path(sys.argv[1])
roster = {name: Enrolled(*lines) for name, lines in json.loads(sys.argv[2]).items()}
made = RunFolder(folder)
listener = Listener("127.0.0.1", 0, made.server_certificate, made.server_key)
link = SuperLink(lambda: roster, listener, lambda line: None)
app = ServerApp()
@app.main()
def main(grid, context):
    from flwr.app import Message, ConfigRecord, RecordDict
    grid._state  # the study's
    nodes = {name: node for name, (_, node) in link._nodes.items()}
    link.connected_sites()
    print(json.dumps({"port": link._socket.getsockname()[1], "run": grid.run.run_id,
                      "nodes": nodes}), flush=True)
    for line in sys.stdin:  # ask every hospital
        ids = {}
        for name, node in nodes.items():
            content = RecordDict({"task": ConfigRecord({"n": 1})})
            ids[name] = list(grid.push_messages([Message(content, node, "train", ttl=3600.0)]))[0]
        print(json.dumps(ids), flush=True)
link.run(app)
"""
SITES = ("north", "east", "south", "west")
BODY = 16_000_000


class Site:
    """An enrolled hospital that makes single requests."""

    def __init__(self, name: str) -> None:
        self.name, self._key = name, ec.generate_private_key(ec.SECP384R1())
        public = self._key.public_key()
        ssh, pem = serialization.Encoding.OpenSSH, serialization.Encoding.PEM
        self.line = public.public_bytes(ssh, serialization.PublicFormat.OpenSSH).decode()
        self.pem = public.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)

    def headers(self, path: str, n_bytes: int) -> bytes:
        """Sign a request as Flower does."""
        time_ = datetime.now(UTC).isoformat()
        signature = self._key.sign(time_.encode(), ec.ECDSA(hashes.SHA256()))
        lines = (
            f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/protobuf",
            f"content-length: {n_bytes}", "connection: close",
            f"flwr-public-key: {base64.b64encode(self.pem).decode()}",
            f"flwr-signature: {base64.b64encode(signature).decode()}", f"flwr-timestamp: {time_}",
        )  # fmt: skip
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Port:
    """The SuperLink's process, and connections to it."""

    def __init__(self, folder: Path, sites: list[Site]) -> None:
        from medfl_common.run.folder import RunFolder
        from medfl_server.roster.certificates import create_authority

        create_authority(folder, "study", "localhost")
        self._context = ssl.create_default_context(cafile=RunFolder(folder).ca)
        roster = json.dumps({site.name: [site.line, site.line] for site in sites})
        command = [sys.executable, "-c", SERVE, str(folder), roster]
        pipe = subprocess.PIPE
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True)
        self.facts = self._line()

    def _line(self) -> dict[str, object]:
        assert self.process.stdout is not None
        while True:
            line = self.process.stdout.readline()
            if line.startswith("{"):
                return dict(json.loads(line))

    def ask(self) -> dict[str, object]:
        """Have every hospital asked; give the ids of the tasks."""
        assert self.process.stdin is not None
        self.process.stdin.write("ask\n")
        self.process.stdin.flush()
        return self._line()

    def connect(self) -> ssl.SSLSocket:
        """Connect over TLS."""
        plain = socket.create_connection(("127.0.0.1", int(str(self.facts["port"]))), timeout=60)
        return self._context.wrap_socket(plain, server_hostname="localhost")

    def post(self, site: Site, path: str, body: bytes) -> int:
        """Make a request over a connection of its own; give the status, 0 if none came."""
        try:
            with self.connect() as connection:
                connection.sendall(site.headers(path, len(body)) + body)
                return int(connection.recv(100).split(b" ")[1])
        except (OSError, IndexError, ValueError):
            return 0

    def memory_mb(self) -> float:
        """Give the resident memory."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * 4096 / 1e6


class Honest:
    """A hospital that shows a sign of life every half second over a new connection."""

    def __init__(self, port: Port, site: Site) -> None:
        self._port, self._site, self._is_over = port, site, threading.Event()
        self.seconds: list[float] = []
        self.n_failed = 0
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def _live(self) -> None:
        from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
        from flwr.proto.node_pb2 import Node

        nodes = dict(self._port.facts["nodes"])  # type: ignore[call-overload]
        node = Node(node_id=nodes[self._site.name])
        body = SendNodeHeartbeatRequest(node=node, heartbeat_interval=30.0).SerializeToString()
        while not self._is_over.wait(0.5):
            started = time.monotonic()
            status = self._port.post(self._site, "/v1/fleet/send-node-heartbeat", body)
            self.seconds.append(time.monotonic() - started)
            self.n_failed += status != 200

    def stop(self) -> str:
        """Say how long it waited."""
        self._is_over.set()
        self._thread.join()
        middle, longest = statistics.median(self.seconds), max(self.seconds)
        return (
            f"{len(self.seconds)} requests, {self.n_failed} failed, "
            f"median {middle * 1e3:.0f} ms, longest {longest * 1e3:.0f} ms"
        )


def hold(port: Port, n: int, said: bytes, seconds: float) -> int:
    """Open connections, say the same on each, and hold them; count them."""
    opened = []
    for _ in range(n):
        with contextlib.suppress(OSError):
            connection = port.connect()
            connection.sendall(said)
            opened.append(connection)
    time.sleep(seconds)
    for connection in opened:
        connection.close()
    return len(opened)


def send_body(port: Port) -> int:
    """Send a large body without a key; count the bytes that were taken."""
    n_sent = 0
    head = (
        b"POST /v1/fleet/push-object HTTP/1.1\r\nhost: localhost\r\n"
        b"content-type: application/protobuf\r\ncontent-length: %d\r\n\r\n" % BODY
    )
    with contextlib.suppress(OSError), port.connect() as connection:
        connection.sendall(head)
        while n_sent < BODY - 250_000:
            n_sent += connection.send(bytes(250_000))
        time.sleep(10)
    return n_sent


def at_once(port: Port, attack: Callable[..., int], *given: object, times: int = 8) -> str:
    """Attack from other processes; give the sum of what they did, and the memory meanwhile."""
    before = peak = port.memory_mb()
    with ThreadPoolExecutor(times) as pool:
        done = [pool.submit(in_child, attack, port, *given) for _ in range(times)]
        while not all(one.done() for one in done):
            peak = max(peak, port.memory_mb())
            time.sleep(0.2)
    total = sum(one.result() for one in done)
    return f"{total:,}; memory {before:.0f} MB before, {peak:.0f} MB at the most"


def in_child(attack: Callable[..., int], port: Port, *given: object) -> int:
    """Run in a process of its own, so that the honest site's clock does not wait for it."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, str(attack(port, *given)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        found = int(pipe.read() or 0)
    os.waitpid(child, 0)
    return found


def announced(port: Port, sites: list[Site]) -> str:
    """Three hospitals announce replies and send nothing; say when the fourth is let in."""
    from flwr.app import Message, RecordDict
    from flwr.common.serde import message_to_proto
    from flwr.proto.fleet_pb2 import ActivateNodeRequest, PushMessagesRequest
    from flwr.proto.message_pb2 import ObjectTree
    from flwr.proto.node_pb2 import Node
    from flwr.supercore.task_identity import TaskIdentity

    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1
    nodes = dict(port.facts["nodes"])  # type: ignore[call-overload]
    for site in sites:
        request = ActivateNodeRequest(public_key=site.pem, heartbeat_interval=30.0)
        port.post(site, "/v1/fleet/activate-node", request.SerializeToString())
    asked = port.ask()
    started = 0.0
    for site in [*sites[1:], sites[0]]:
        root = base64.b16encode(site.name.encode()).decode().lower().rjust(64, "0")
        message = Message(RecordDict(), dst_node_id=1, message_type="train", ttl=3000.0)
        proto = message_to_proto(message)
        facts = proto.metadata
        facts.run_id, facts.message_id = int(str(port.facts["run"])), root
        facts.src_node_id, facts.dst_node_id = nodes[site.name], 1
        facts.reply_to_message_id = str(asked[site.name])
        body = PushMessagesRequest(
            node=Node(node_id=nodes[site.name]), messages_list=[proto],
            message_object_trees=[ObjectTree(object_id=root)],
        ).SerializeToString()  # fmt: skip
        started = time.monotonic()
        while (status := port.post(site, "/v1/fleet/push-messages", body)) != 200:
            if time.monotonic() - started > 400 or status not in (0, 503):
                return f"not let in after {time.monotonic() - started:.0f} s ({status})"
            time.sleep(1)
    return f"let in after {time.monotonic() - started:.1f} s"


def main(folder: Path, n: int = 1000) -> None:
    """Print one line for each attack."""
    folder.mkdir(parents=True, exist_ok=True)
    sites = [Site(name) for name in SITES]
    port = Port(folder, sites)
    half = b"POST /v1/fleet/push-object HTTP/1.1\r\nhost: local"
    attacks: dict[str, Callable[[], str]] = {
        "nobody else": lambda: str(time.sleep(10) or ""),
        f"{n} silent connections": lambda: at_once(port, hold, n // 8, b"", 20),
        f"{n} half-sent heads": lambda: at_once(port, hold, n // 8, half, 20),
        "120 bodies of 16 MB without a key": lambda: at_once(port, send_body, times=120),
        "three replies that never finish": lambda: announced(port, sites),
    }
    import flwr.common.serde  # noqa: F401  once, before threads import it
    from flwr.proto import fleet_pb2, heartbeat_pb2  # noqa: F401

    time.sleep(3)
    for name, attack in attacks.items():
        honest = Honest(port, sites[0])
        done = attack()
        print(
            f"{name}: {done}; honest site: {honest.stop()}; {port.memory_mb():.0f} MB", flush=True
        )
    port.process.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
