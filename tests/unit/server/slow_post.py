"""A post whose sites answer after so many seconds."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import torch
from flwr.app import RecordDict

from medfl_client.task.session import shapes_of
from medfl_common.models import build_model
from medfl_common.wire.results import TrainResult, encode_result, plan_number
from medfl_common.wire.tasks import TrainTask, decode_task_head
from medfl_common.wire.tensors import Shapes
from medfl_server.rounds.loop import RoundLoop
from medfl_server.study.run_directory import Study, create_study
from medfl_server.superlink.transport import Arrival, ConnectedSite, Post

Seen = Callable[[list[str]], bool]  # what was announced so far -> whether it is enough


def says(words: str) -> Seen:
    """Wait for a line that begins so."""
    return lambda said: any(line.startswith(words) for line in said)


class SlowPost(Post):
    """Delivers an update of nothing from each site, once its work is done.

    Args:
        seconds: How long each site works on a task.
        until: What must be announced before a slow one is done, however long this machine takes.
    """

    def __init__(self, seconds: Mapping[str, float], until: Seen = lambda said: True) -> None:
        super().__init__(None, self.connected_sites, lambda: dict.fromkeys(seconds), 60.0)  # type: ignore[arg-type]
        self.seconds = dict(seconds)
        self.said: list[str] = []
        self.tasks: dict[str, list[TrainTask]] = {site: [] for site in seconds}
        self._until = until
        self._shapes: Shapes = {}
        self._due: dict[str, tuple[float, TrainTask]] = {}

    def connected_sites(self) -> Mapping[str, ConnectedSite]:
        return {site: ConnectedSite(node, "here") for node, site in enumerate(self.seconds)}

    def send(self, to: ConnectedSite, content: RecordDict, round_: int) -> str:
        site = [*self.seconds][to.node]
        self.tasks[site].append(decode_task_head(content))
        message = f"{site}-{len(self.tasks[site])}"
        self._due[message] = (time.monotonic() + self.seconds[site], self.tasks[site][-1])
        return message

    def fetch(self, message_id: str) -> Arrival | None:
        done, task = self._due[message_id]
        is_slow = self.seconds[task.site] > 0
        if time.monotonic() < done or (is_slow and not self._until(self.said)):
            return None
        del self._due[message_id]
        self._shapes = self._shapes or shapes_of(build_model(task.plan), "shared")
        update = {name: torch.full(shape, 1e-6) for name, shape in self._shapes.items()}
        numbers = {"n_images": 5, "n_steps": 1, "update": update}
        ids = (plan_number(task.plan), task.round, task.nonce)
        return Arrival(encode_result(TrainResult(*ids, **numbers)))  # type: ignore[arg-type]

    def run(self, folder: Path, plan: Path, stop: Seen = lambda said: False) -> Study:
        """Make a study's rounds: all, or until what was announced after one is enough."""
        study = create_study(folder, plan)

        def announce(line: str) -> None:
            self.said.append(line)
            if line.startswith("round ") and stop(self.said):
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            RoundLoop(study, self, announce, lambda progress: None, sites_keep_models=False).run()
        return study
