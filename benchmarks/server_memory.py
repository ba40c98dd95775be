"""Does the coordinator's memory grow with the number of sites? A real one, and simulated repliers.

    server_memory.py WORK_FOLDER [SITES ...]

Each replier is a thread that speaks Flower's fleet API with keys of its own and answers every task
with a random, signed update of 11.2 million weights (45 MB). All answer at once, but the first of
the roster comes last: no update can be folded in before. Prints the coordinator's largest memory.
"""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.app import Message
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
)
from flwr.supercore.inflatable.inflatable_utils import (
    inflate_object_from_contents,
    pull_objects,
    push_object_contents_from_iterable,
)
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.fleet_http_connection import http_request_response

from medfl_client.commands.run import free_port
from medfl_client.config.identity import create_identity, signing_key
from medfl_common.run.log import read_lines
from medfl_common.wire.digest import task_digest
from medfl_common.wire.results import TrainResult, encode_result, plan_number
from medfl_common.wire.signature import seal
from medfl_common.wire.tasks import TrainTask, decode_task_head
from medfl_server.roster.enrolment import enrol
from medfl_sim.local.deployment import command, run_command

PLAN = """\
plan: 1
study: memory
seed: 0
task: {type: binary, classes: [normal, opacity]}
images: {modality: [CR], size: 32}
model: {name: resnet18, norm: group}
training: {}
federation: {rounds: 2, deadline_s: 900}
"""
LAST_S = 20.0  # after the others, the first of the roster answers
identity = threading.Lock()


class Replier(threading.Thread):
    """One site: takes tasks and answers with noise."""

    def __init__(self, folder: Path, name: str, port: int, ca: Path, delay_s: float) -> None:
        super().__init__(daemon=True)
        self._folder, self._name, self._delay_s = folder, name, delay_s
        self._address, self._ca = f"localhost:{port}", ca

    def run(self) -> None:
        """Answer until the process ends."""
        key = load_ssh_private_key((self._folder / "identity.key").read_bytes(), None)
        with http_request_response(
            self._address,
            insecure=False,
            root_certificates=self._ca.read_bytes(),
            authentication_keys=(key, key.public_key()),  # type: ignore[arg-type]
        ) as (node, receive, send, _, _, pull_object, push_object, confirm):
            while True:
                found = receive()
                if found is None:
                    continue
                message, tree = found
                run_id, message_id = message.metadata.run_id, message.metadata.message_id
                wanted = [part.object_id for part in iterate_object_tree(tree)]
                contents = pull_objects(wanted, lambda i, run=run_id: pull_object(run, i))
                task = inflate_object_from_contents(message_id, contents)
                task.metadata.__dict__["_message_id"] = message_id
                confirm(run_id, message_id)
                reply = self._reply(node, task)
                with identity:
                    parts = {i: part.deflate() for i, part in get_all_nested_objects(reply).items()}
                    reply.metadata.__dict__["_message_id"] = reply.object_id
                    tree = get_object_tree(reply)
                missing, session = send(reply, tree, 0.0)
                push_object_contents_from_iterable(
                    ((i, parts[i]) for i in missing),
                    lambda i, content, s=session, run=run_id: push_object(run, s, i, content),
                )

    def _reply(self, node: int, message: Message) -> Message:
        head = decode_task_head(message.content)
        content = encode_result(self._result(head, message))
        time.sleep(self._delay_s if head.kind == "train" else 0.0)
        seal(content, task_digest(message.content), signing_key(self._folder))
        with identity:
            TaskIdentity.node_id, TaskIdentity.run_id = node, message.metadata.run_id
            TaskIdentity.task_id = 1
            return Message(content, reply_to=message)

    def _result(self, head: TrainTask, message: Message) -> TrainResult:
        ids = (plan_number(head.plan), head.round, head.nonce)
        if head.kind != "train":
            return TrainResult(*ids)
        n = (len(message.content.array_records["weights"]["flat"].data) - 128) // 4
        noise = torch.empty(n).normal_(generator=torch.Generator().manual_seed(hash(self._name)))
        return TrainResult(*ids, n_images=10, n_steps=1, update={"w": noise * 1e-4})


def measure(folder: Path, n_sites: int) -> tuple[float, float]:
    """Run a study of two rounds; give the coordinator's peak in MB and the seconds of a round."""
    folder.mkdir(parents=True)
    (folder / "plan.yaml").write_text(PLAN)
    study, port = folder / "study", free_port()
    run_command("server", "init", study, "--plan", folder / "plan.yaml", "--host", "localhost")
    names = [f"site-{number:02}" for number in range(n_sites)]
    for name in names:
        create_identity(folder / name, name)
        enrol(study, name, folder / name / "identity.pub")
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command("server"), "run", str(study), "--port", str(port), "--bind", "127.0.0.1"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        peak_mb = 0.0
        while b"listening" not in (folder / "server.log").read_bytes():
            time.sleep(0.2)
        for name in names:
            delay_s = LAST_S if name == names[0] else 0.0
            Replier(folder / name, name, port, study / "tls" / "ca.crt", delay_s).start()
        while server.poll() is None:
            status = Path(f"/proc/{server.pid}/status").read_text()
            found = re.search(r"VmHWM:\s+(\d+) kB", status)
            peak_mb = max(peak_mb, int(found.group(1)) / 1000 if found else 0.0)
            time.sleep(0.2)
    rounds = [event for event in read_lines(study / "log.jsonl") if event["event"] == "round"]
    assert [len(event["sites"]) for event in rounds] == [n_sites] * 2, rounds  # type: ignore[arg-type]
    return peak_mb, float(str(rounds[-1]["seconds"]))


def main(folder: Path, counts: list[int]) -> None:
    """Measure, each number of sites in a process of its own."""
    if len(counts) == 1:
        peak_mb, seconds = measure(folder / f"sites-{counts[0]}", counts[0])
        print(f"| {counts[0]} | {peak_mb:,.0f} MB | {seconds:.0f} s |")
        return
    print("| sites | coordinator's peak memory | seconds of a round |")
    print("|---|---|---|", flush=True)
    for count in counts:
        subprocess.run([sys.executable, __file__, str(folder), str(count)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(count) for count in sys.argv[2:]] or [2, 8, 32])
