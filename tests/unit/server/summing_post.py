"""A post whose sites take part in secure sums, each with an update made up for the round."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import RecordDict
from tests.unit.server.slow_post import Seen

from medfl_client.egress.sums.journal import MemoryJournal
from medfl_client.egress.sums.member import Member
from medfl_client.egress.sums.standing import Identity
from medfl_client.task.session import shapes_of
from medfl_common.errors import MedflError, code_of
from medfl_common.models import build_model
from medfl_common.models.weights import Weights
from medfl_common.wire.pooled import PooledLayout
from medfl_common.wire.results import TrainResult, encode_result, plan_number
from medfl_common.wire.secure_sum import weights_digest
from medfl_common.wire.study_key import key_line
from medfl_common.wire.tasks import TrainTask, decode_task_head
from medfl_server.rounds.loop import RoundLoop
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_server.superlink.transport import Arrival, ConnectedSite, Post


def update_of(site: str, round_: int, like: Weights) -> TrainResult:
    """Make up what a site trained: another update and number of images for each."""
    draw = torch.Generator().manual_seed(1000 * round_ + int(site[1:]))
    update = {name: torch.randn(t.shape, generator=draw) * 1e-3 for name, t in sorted(like.items())}
    n_images = 40 + 7 * int(site[1:])
    return TrainResult(0, round_, 0, n_images=n_images, n_steps=3, train_loss=0.5, update=update)


class SummingPost(Post):
    """Hospitals h1, h2, ... that answer at once, or do not.

    Args:
        n: How many.
    """

    def __init__(self, n: int) -> None:
        self.sites = [f"h{i}" for i in range(1, n + 1)]
        keys = {site: Ed25519PrivateKey.generate() for site in self.sites}
        lines = {site: key_line(key.public_key()) for site, key in keys.items()}
        super().__init__(
            None, self.connected_sites, lambda: dict.fromkeys(self.sites), 60.0,  # type: ignore[arg-type]
            virtual_keys=lines,
        )  # fmt: skip
        self._keys = keys
        self._journals = {site: MemoryJournal() for site in self.sites}
        self.gone: set[str] = set()  # are not connected
        self.mute: dict[str, set[str]] = {}  # kind of task -> who never answers it
        self.wrong: dict[str, TrainResult] = {}  # what a site sums in place of its update
        self.asked: Counter[str] = Counter()  # kinds of tasks that were answered
        self.order: Iterable[str] = self.sites
        self.said: list[str] = []
        self.received: list[RecordDict] = []
        self._replies: dict[str, tuple[str, RecordDict]] = {}

    def connected_sites(self) -> Mapping[str, ConnectedSite]:
        present = [site for site in self.order if site not in self.gone]
        return {site: ConnectedSite(self.sites.index(site), "here") for site in present}

    def send(self, to: ConnectedSite, content: RecordDict, round_: int) -> str:
        site = self.sites[to.node]
        message = f"{site}-{len(self._replies)}"
        self._replies[message] = (site, content)
        return message

    def fetch(self, message_id: str) -> Arrival | None:
        site, content = self._replies[message_id]
        task = decode_task_head(content)
        if site in self.gone or site in self.mute.get(task.kind, ()):
            return Arrival(None)
        reply = encode_result(self._answer(site, task, content))
        self.asked[task.kind] += 1
        self.received.append(reply)
        return Arrival(reply)

    def _answer(self, site: str, task: TrainTask, content: RecordDict) -> TrainResult:
        number, order, sums = plan_number(task.plan), task.sum, task.plan.privacy.secure_sum
        assert order is not None
        assert sums is not None
        own = Identity(site, self._keys[site], task.run, task.plan.hash(), sums)
        member = Member(own, self._journals[site])
        ids = (number, task.round, task.nonce)
        try:
            if task.kind == "keys":
                return TrainResult(*ids, part=member.hello(order))
            if task.kind == "setups":
                return TrainResult(*ids, part=member.setups(order))
            if task.kind == "open":
                return TrainResult(*ids, part=member.open(order, task.round))
            model = build_model(task.plan)
            shapes = shapes_of(model, "shared")
            layout = PooledLayout(task.plan, task.kind, shapes, len(self.sites))
            like = {name: torch.zeros(shape) for name, shape in shapes.items()}
            made = TrainResult(*ids)
            if task.kind == "train":
                made = self.wrong.get(site) or update_of(site, task.round, like)
            vector, digest = layout.encode(made), weights_digest(content)
            return TrainResult(*ids, masked=member.mask(order, task.sum_round, vector, digest))
        except MedflError as error:
            self.said.append(f"{site} refused: {error}")
            return TrainResult(*ids, code=code_of(error), incident=1)

    def run(self, folder: Path, plan: Path, stop: Seen = lambda said: False) -> Study:
        """Make a study's rounds, or go on with them, until what was announced is enough."""
        is_there = (folder / "study.json").exists()
        study = open_study(folder) if is_there else create_study(folder, plan)

        def announce(line: str) -> None:
            self.said.append(line)
            if stop(self.said):
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            RoundLoop(study, self, announce, lambda progress: None).run()
        return study
