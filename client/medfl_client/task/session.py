"""What one process keeps between tasks, so that a round costs its training and no more."""

import time
from collections import deque
from collections.abc import Callable

import torch

from medfl_client.config.folder import StateFolder
from medfl_client.data.dataset import SiteData
from medfl_client.egress.patient_sets import FewApart, compare, keep, require_apart
from medfl_client.egress.questions import plans_of
from medfl_client.egress.sums.journal import FileJournal, Journal, MemoryJournal
from medfl_client.egress.sums.member import Member
from medfl_client.egress.sums.standing import Identity
from medfl_client.task.site import Site
from medfl_client.training.client_state import CLIENT_STATE, MOST, RoundStore
from medfl_client.training.frozen_features import feature_data
from medfl_common.errors import (
    DiskFullError,
    NoStartError,
    NotApprovedError,
    SecondRunError,
    SumError,
    WithdrawnError,
)
from medfl_common.models import build_model
from medfl_common.models.network import Network, Part, lay_out
from medfl_common.models.weights import Weights, load_shared
from medfl_common.plan.plan import Plan
from medfl_common.wire.tasks import TrainTask
from medfl_common.wire.tensors import Shapes

MOST_OWED = 10_000  # about a week of being asked once a minute
WAITS = (
    NotApprovedError,
    SecondRunError,
    WithdrawnError,
    DiskFullError,
)  # the coordinator asks every seconds


class Session:
    """The plan's model and data, and what belongs to a run."""

    def __init__(self) -> None:
        self._plan = ""  # hash of the plan that the rest is for
        self._model: Network | None = None
        self._data: dict[str, SiteData] = {}  # by the site's name; one in a hospital
        self._features: dict[str, SiteData] = {}  # the same, seen through a frozen backbone
        self._start: tuple[str, Weights] = ("", {})  # the run, and its weights that are sent once
        self._local: dict[tuple[str, str], RoundStore] = {}  # by run and site
        self._client_states: dict[tuple[str, str], RoundStore] = {}  # of algorithms, the same
        self._few: FewApart | None = None  # patients, from those of earlier answers
        self._noted: set[str] = set()  # kinds of tasks whose patients are noted
        self._journals: dict[tuple[str, str], Journal] = {}  # of secure sums, by run and site
        self._refusal = ""  # the last that a person was told of
        # Ledger lines of codes that left while the disk took none.
        self.owed: deque[Callable[[], None]] = deque(maxlen=MOST_OWED)
        self._began: dict[tuple[str, str], tuple[int, float]] = {}  # (run, site) -> first task

    def model_for(self, plan: Plan, device: torch.device) -> Network:
        """Give the plan's model, built once per plan."""
        if self._model is None or self._plan != plan.hash():
            use_threads(plan)
            self._model = lay_out(build_model(plan).to(device), plan)
            self._plan, self._data, self._features, self._start = plan.hash(), {}, {}, ("", {})
            self._few, self._noted = None, set()
        return self._model

    def take_start(self, task: TrainTask, model: Network) -> None:
        """Put the weights that are sent once into the model; raises NoStartError without them."""
        if task.start is not None:
            if self._start[0] != task.run:
                self._features = {}
            own = {name: task.start[name] for name in model.names("local")}
            self._start = (task.run, own)
            load_shared(model, task.start)
        elif self._start[0] != task.run and has_start(model):
            raise NoStartError(
                "the study's initial weights are not here",
                todo="they are asked for again",
                who="the coordinator",
            )

    def local_for(self, task: TrainTask, site: Site, model: Network) -> RoundStore | None:
        """Put the site's own layers into the model as they were before the task's round."""
        if not model.names("local"):
            return None
        folder = None if site.local is None else site.local / task.run
        layers = self._local.setdefault((task.run, task.site), RoundStore(folder))
        own = layers.before(task.round + task.is_scoring)  # then its round has been made
        load_shared(model, own or self._start[1])
        return layers

    def client_state_for(self, task: TrainTask, site: Site) -> RoundStore:
        """Give where the plan's algorithm keeps what it needs between rounds."""
        folder = None if site.local is None else site.local / task.run / CLIENT_STATE
        return self._client_states.setdefault((task.run, task.site), RoundStore(folder, MOST))

    def data_for(self, plan: Plan, site: Site, name: str) -> SiteData:
        """Give the site's images for the plan, read at the first task."""
        if name not in self._data:
            self._data[name] = site.data(plan)
        return self._data[name]

    def few_apart(self, task: TrainTask, site: Site, is_again: bool) -> FewApart:
        """Say by how few patients the data differ from those of earlier answers, and note them.

        Raises DisclosureError where the task may not be answered with these patients. Noise hides
        a patient between answers too; there a refusal would tell of the data.
        """
        data = self.data_for(task.plan, site, task.site)
        if site.state is None or data.members is None or task.plan.privacy.noise is not None:
            return FewApart()
        if self._few is None:
            members = data.members()
            of_run = plans_of(site.state, task.run)
            self._few = compare(site.state, task.plan.hash(), members, site.policy.min_cell, of_run)
        if self._few != FewApart():
            require_apart(task, self._few, is_again)
        if task.kind not in self._noted:
            keep(site.state, task.plan.hash(), data.members())
            self._noted.add(task.kind)
        return self._few

    def inputs_for(self, task: TrainTask, site: Site, model: Network) -> SiteData:
        """Give what is trained on: images, or with a frozen backbone their features."""
        data = self.data_for(task.plan, site, task.site)
        if task.plan.model.freeze != "all" or task.plan.task.is_dense:  # there a decoder is trained
            return data
        if task.site not in self._features:
            self._features[task.site] = feature_data(model, data, task.plan, task.site, site.device)
        return self._features[task.site]

    def member_for(self, task: TrainTask, site: Site) -> Member:
        """Give the site's part in the run's secure sums; raises SumError without a key."""
        sums = task.plan.privacy.secure_sum
        if sums is None or site.signing is None:
            raise SumError("this site has no signing key for secure sums")
        own = Identity(task.site, site.signing, task.run, task.plan.hash(), sums)
        folder = site.state or site.local  # any process may be a virtual hospital
        if folder is not None:
            return Member(own, FileJournal.of(StateFolder(folder).secure, task.run))
        return Member(own, self._journals.setdefault((task.run, task.site), MemoryJournal()))

    def is_news(self, error: Exception) -> bool:
        """Say whether a refusal is another than the last; one that waits is asked every seconds."""
        told, self._refusal = self._refusal, str(error)
        return told != self._refusal or not isinstance(error, WAITS)

    def forget_refusal(self) -> None:
        """Note that a task was answered: the same refusal would be news again."""
        self._refusal = ""

    def seconds_left(self, task: TrainTask) -> float | None:
        """Estimate the rest of the study from the pace since this process's first task of it."""
        now = time.monotonic()
        first, began = self._began.setdefault((task.run, task.site), (task.round, now))
        if task.round == first:
            return None
        return (now - began) / (task.round - first) * (task.plan.federation.rounds - task.round)


def has_start(model: Network) -> bool:
    """Say whether the model has weights that are sent once."""
    return bool(model.names("start") or model.names("local"))


def shapes_of(model: Network, *parts: Part) -> Shapes:
    """Give the shapes of some parts of a model."""
    return {name: model.shapes[name] for part in parts for name in model.names(part)}


def use_threads(plan: Plan) -> None:
    """One CPU thread and fixed algorithms for a deterministic plan: threads change sums."""
    if plan.deterministic:
        torch.set_num_threads(1)
        torch.set_deterministic_debug_mode("warn")  # its sister imports the compiler: 2 s
        # Filling fresh memory is for finding bugs, and costs 5 %.
        setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
