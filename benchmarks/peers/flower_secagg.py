"""Flower's SecAgg+ over an in-memory line: CPU seconds, bytes and trips of a round, as JSON.

    flower_secagg.py N_SITES N_WEIGHTS N_LOST [whole|quick]

Its own mod and workflow (flwr.client.mod, flwr.server.workflow) without Ray and without TLS; all
hospitals are neighbours, the threshold is two thirds. Lost sites vanish after the shares, before
their vector. `quick` masks one site's whole vector and hands it to the server in the place of all
others', which mask one number: the arithmetic has the same cost, the sum means nothing.
"""

import json
import logging
import statistics
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from flwr.app import ConfigRecord, Context, Error, Message, RecordDict
from flwr.client.mod import secaggplus_mod
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.compat.common import recorddict_compat as compat
from flwr.server import ServerConfig, SimpleClientManager
from flwr.server.compat.grid_client_proxy import GridClientProxy
from flwr.server.compat.legacy_context import LegacyContext
from flwr.server.strategy import FedAvg
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.supercore.task_identity import TaskIdentity

CONFIGS, STAGE, MASKED = "secaggplus_configs", "stage", "masked_params"
COLLECT = "collect_masked_vectors"
MOST = 5000  # images at a site


def size_of(content: RecordDict) -> int:
    """Count the bytes of a message's arrays and settings, a number as eight."""
    values = [v for record in content.config_records.values() for v in record.values()]
    items = [item for v in values for item in (v if isinstance(v, list) else [v])]
    settings = sum(len(i) if isinstance(i, bytes | str) else 8 for i in items)
    return settings + sum(record.count_bytes() for record in content.array_records.values())


class Line:
    """Carries messages to sites in this process, and times them."""

    def __init__(self, n_sites: int, n_weights: int, n_lost: int, is_whole: bool) -> None:
        self.names = list(range(1, n_sites + 1))
        self.lost = set(self.names[n_sites - n_lost :])
        self.n_weights, self.is_whole = n_weights, is_whole
        self.state = {i: Context(1, i, {}, RecordDict(), {}) for i in self.names}
        n_images = np.random.default_rng(0).integers(100, MOST, n_sites)
        self.n_images = dict(zip(self.names, n_images, strict=True))
        self.cpu, self.up, self.down = (dict.fromkeys(self.names, 0.0) for _ in range(3))
        self.trips, self.masking, self.first = 0, list[float](), list[bytes]()
        self.training = 0.0  # seconds that are no cost of the sums

    def update(self, site: int) -> np.ndarray:
        """Draw the update of a site."""
        n = self.n_weights if self.is_whole or site == 1 else 1
        return np.random.default_rng(site).standard_normal(n, dtype=np.float32) * 1e-3

    def _train(self, message: Message, context: Context) -> Message:
        started = time.process_time()
        found = FitRes(
            Status(Code.OK, ""), ndarrays_to_parameters([self.update(context.node_id)]),
            int(self.n_images[context.node_id]), {},
        )  # fmt: skip
        reply = Message(compat.fitres_to_recorddict(found, False), reply_to=message)
        self.training += time.process_time() - started
        return reply

    def _answer(self, message: Message) -> Message:
        site = message.metadata.dst_node_id
        stage = message.content.config_records[CONFIGS][STAGE]
        is_collect = stage == COLLECT
        if is_collect and site in self.lost:
            return Message(Error(0, "lost"), reply_to=message)
        self.down[site] += size_of(message.content)
        started = time.process_time() - self.training
        copy = RecordDict(dict(message.content))
        copy.config_records[CONFIGS] = ConfigRecord(dict(message.content.config_records[CONFIGS]))
        fresh = Message(copy, metadata=message.metadata)
        reply = secaggplus_mod(fresh, self.state[site], self._train)
        spent = time.process_time() - self.training - started
        self.cpu[site] += spent
        if is_collect and (self.is_whole or site == 1):
            self.masking.append(spent)
        if is_collect and not self.is_whole:
            record = reply.content.config_records[CONFIGS]
            self.first = self.first or record[MASKED]
            record[MASKED] = self.first
        self.up[site] += size_of(reply.content)
        return reply

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Answer in turn."""
        self.trips += 1
        ordered = sorted(messages, key=lambda message: message.metadata.dst_node_id)
        return [self._answer(message) for message in ordered]


def context_of(line: Line) -> LegacyContext:
    """Make what Flower's server app would hand to the workflow."""
    everybody = len(line.names)
    context = LegacyContext(
        Context(1, 0, {}, RecordDict(), {}), ServerConfig(num_rounds=1),
        FedAvg(min_fit_clients=everybody, min_available_clients=everybody), SimpleClientManager(),
    )  # fmt: skip
    for i in line.names:
        context.client_manager.register(GridClientProxy(i, line, 1))
    context.state.config_records["config"] = ConfigRecord({"current_round": 1})
    start = ndarrays_to_parameters([np.zeros(line.n_weights, np.float32)])
    context.state.array_records["parameters"] = compat.parameters_to_arrayrecord(start, False)
    return context


def peak_mb() -> float:
    """Give the most memory of this process; that of the system call would be its parent's too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def main(n_sites: int, n_weights: int, n_lost: int, is_whole: bool) -> None:
    """Print what a round costs, and how far its mean is from the true one."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1
    line = Line(n_sites, n_weights, n_lost, is_whole)
    context, threshold = context_of(line), max(2, 2 * n_sites // 3 + 1 if n_sites > 2 else 2)
    workflow = SecAggPlusWorkflow(1.0, threshold / n_sites, max_weight=float(MOST))
    started = time.process_time()
    workflow(line, context)
    server = time.process_time() - started - sum(line.cpu.values()) - line.training
    kept = [i for i in line.names if i not in line.lost]
    error = None
    if is_whole:
        found = parameters_to_ndarrays(
            compat.arrayrecord_to_parameters(context.state.array_records["parameters"], True)
        )[0]
        total = sum(float(line.n_images[i]) for i in kept)
        true = sum(line.update(i) * (float(line.n_images[i]) / total) for i in kept)
        error = float(np.abs(found - true).max())
    first = kept[0]
    facts = {
        "site_s": line.cpu[first], "masking_s": statistics.median(line.masking),
        "server_s": server, "up": int(line.up[first]), "down": int(line.down[first]),
        "trips": line.trips, "error": error,
        "mb": peak_mb(),
    }  # fmt: skip
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), sys.argv[4:] != ["quick"])
