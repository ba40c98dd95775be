"""The order of aggregation is the roster's, whoever answers first and whoever fails."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from flwr.app import RecordDict
from tests.conftest import MakePlan

from medfl_common.run.log import RunLog
from medfl_common.wire.results import TrainResult, encode_result, plan_number
from medfl_common.wire.tasks import decode_task_head
from medfl_server.rounds.collect import Collection
from medfl_server.rounds.late_replies import LateReplies
from medfl_server.rounds.sent_once import SentOnce
from medfl_server.study.run_directory import create_study
from medfl_server.superlink.transport import Arrival, ConnectedSite, Post

SITES = ("a", "b", "c")
WEIGHTS = {"w": torch.zeros(600_000)}  # large enough to wait on the disk


class Letters(Post):
    """Delivers the sites' replies in a given order; who is in `failing` sends a code."""

    def __init__(self, order: tuple[str, ...], failing: set[str]) -> None:
        super().__init__(None, self.connected_sites, lambda: dict.fromkeys(SITES), 60.0)  # type: ignore[arg-type]
        self._due, self._failing = list(order), failing
        self._tasks: dict[str, RecordDict] = {}

    def connected_sites(self) -> Mapping[str, ConnectedSite]:
        return {site: ConnectedSite(node, "here") for node, site in enumerate(SITES)}

    def send(self, to: ConnectedSite, content: RecordDict, round_: int) -> str:
        self._tasks[SITES[to.node]] = content
        return SITES[to.node]

    def fetch(self, message_id: str) -> Arrival | None:
        if not self._due or self._due[0] != message_id:
            return None
        site = self._due.pop(0)
        task = decode_task_head(self._tasks[site])
        ids = (plan_number(task.plan), task.round, task.nonce)
        if site in self._failing:
            return Arrival(encode_result(TrainResult(*ids, code=300, incident=1)))
        update = {"w": torch.full((600_000,), 1e-6 * (1 + SITES.index(site)))}
        return Arrival(encode_result(TrainResult(*ids, n_images=5, n_steps=1, update=update)))


@pytest.mark.parametrize("failing", [set(), {"a"}, {"b"}])
def test_updates_are_folded_in_the_rosters_order_whoever_answers_first(
    failing: set[str], tmp_path: Path, make_plan: MakePlan
) -> None:
    for number, order in enumerate(itertools.permutations(SITES)):
        study = create_study(tmp_path / f"{number}", make_plan())
        post, aggregated = Letters(order, failing), []

        def aggregate(
            site: str, result: TrainResult, aggregated: list[tuple[str, float]] = aggregated
        ) -> None:
            aggregated.append((site, float((result.update or {})["w"][0])))

        log, federation = RunLog(study.folder), study.plan.federation
        late = LateReplies(post, log, lambda line: None, federation)
        collection = Collection(study, post, lambda line: None, aggregate, SentOnce({}), late)
        replies = collection.run("train", 1, WEIGHTS, lambda: 3)

        good = [site for site in SITES if site not in failing]
        assert [site for site, _ in aggregated] == good == [*replies.answered], order
        values = [1e-6 * (1 + SITES.index(site)) for site in good]
        assert [value for _, value in aggregated] == pytest.approx(values)
        assert not (study.folder / "waiting").exists()
