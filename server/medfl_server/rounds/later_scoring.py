"""A finished study's models, scored again or elsewhere: hospitals that were away, or came later."""

from collections.abc import Container
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load

from medfl_common.errors import ConfigError
from medfl_common.models.weights import Weights
from medfl_common.plan.halves import own_layers
from medfl_common.run.checkpoint import Checkpoint, digest, find_round, no_round
from medfl_common.run.events import (
    FileScored,
    Finished,
    ScoredOnTest,
    ScoredOutside,
    WithModel,
)
from medfl_common.run.model_file import WEIGHTS
from medfl_common.wire.results import TrainResult
from medfl_server.rounds.collect import Collection
from medfl_server.rounds.disk_retry import RetryingLog
from medfl_server.rounds.late_replies import LateReplies
from medfl_server.rounds.live import LiveFile
from medfl_server.rounds.outside import NO_COMMON_MODEL
from medfl_server.rounds.round_facts import facts_of_round, summary
from medfl_server.rounds.sent_once import SentOnce
from medfl_server.study.initial_weights import initial_weights
from medfl_server.study.run_directory import Study, check_finished
from medfl_server.superlink.transport import Announce, Post

FILE = "file"  # in what goes with the weights: the file that they are from


def model_to_score(study: Study, wish: str) -> Checkpoint:
    """Find what is to be scored: the final model (empty), a round's (its number), or a file.

    Raises RunError where the study is not finished, ConfigError where there is no such model.
    """
    end = check_finished(study)
    names = initial_weights(study)[0].names("shared")
    if not wish:
        return Checkpoint(end.round, _read(study.folder / WEIGHTS, names), {})
    if not wish.isdecimal():
        return Checkpoint(end.last, _read(Path(wish), names), {FILE: wish})
    path = find_round(study.checkpoints, int(wish))
    if path is None:
        raise no_round(study.checkpoints, int(wish))
    return Checkpoint(int(wish), _read(path, names), {})


def _read(path: Path, names: Container[str]) -> Weights:
    try:
        found = load(path.read_bytes())
    except (OSError, SafetensorError):
        raise ConfigError(
            f"{path} holds no weights", todo="name a .safetensors of this study's network"
        ) from None
    return {name: tensor for name, tensor in found.items() if name in names}


class LaterScoring:
    """Has one model scored at some hospitals of the roster.

    Args:
        study: A finished study.
        post: Where tasks go and replies come from.
        announce: Takes one line per event.
    """

    def __init__(self, study: Study, post: Post, announce: Announce) -> None:
        self._study = study
        self._post = post
        self._announce = announce
        self._log = RetryingLog(study.folder, announce)
        self._live = LiveFile(study)
        model, start = initial_weights(study)
        self._shapes = model.shapes
        self._shared = model.names("shared")
        self._sent_once = SentOnce({n: t for n, t in start.items() if n not in self._shared})

    def run(self, model: Checkpoint, chosen: Container[str] | None) -> list[WithModel]:
        """Ask the chosen hospitals, or all; wait for all of them, until the plan's deadline.

        A hospital keeps the first model that it scores after the rounds. So one that has not
        scored the result scores that before any other.
        """
        if self._study.plan.privacy.secure_sum is not None:
            raise ConfigError(
                "this study has privacy.secure_sum: its hospitals score the final model once, as a "
                "sum, and answer no later scoring",
                todo="let each hospital score the model by itself (medfl-client predict)",
            )
        for name in self._shared:
            if name not in model.weights or tuple(model.weights[name].shape) != self._shapes[name]:
                raise ConfigError(
                    f"the weights are not of this study's network: {name} is missing or another",
                    todo="name a .safetensors of this study's network",
                )
        wanted = {s for s in self._everybody() if chosen is None or s in chosen}
        sha256 = self._log.read(Finished)[-1].sha256
        lacking = set[str]() if digest(model.weights) == sha256 else wanted - self._have(sha256)
        if lacking:
            self._announce(f"{', '.join(sorted(lacking))}: the final model first, to keep")
        try:
            first = self._score(model_to_score(self._study, ""), lacking)
            return [*first, *self._score(model, wanted)]
        finally:
            self._live.forget()

    def _everybody(self) -> set[str]:
        return {*self._post.roster(), *self._post.to_outside().roster()}

    def _have(self, sha256: str) -> set[str]:
        """Name the hospitals that have scored the result, and so keep it."""
        events = [
            e for kind in (Finished, ScoredOnTest, ScoredOutside) for e in self._log.read(kind)
        ]
        return {site for event in events if event.sha256 == sha256 for site in event.sites}

    def _score(self, model: Checkpoint, wanted: set[str]) -> list[WithModel]:
        events: list[WithModel] = []
        for post, kind in ((self._post, ScoredOnTest), (self._post.to_outside(), ScoredOutside)):
            sites = {name for name in post.roster() if name in wanted}
            if kind is ScoredOutside and sites and own_layers(self._study.plan):
                self._announce(NO_COMMON_MODEL)
            elif sites:
                events.append(self._ask(post, kind, model, sites))
        return events

    def _ask(
        self, post: Post, kind: type[WithModel], model: Checkpoint, sites: set[str]
    ) -> WithModel:
        late = LateReplies(post, self._log, self._announce, self._study.plan.federation)
        collection = Collection(
            self._study, post, self._announce, _nothing, self._sent_once, late, sites,
            live=self._live,
        )  # fmt: skip
        replies = collection.run("test", model.round, model.weights, lambda: len(sites))
        file = model.meta.get(FILE)
        event = (FileScored if file else kind).of_model(
            digest(model.weights), facts_of_round(model.round, replies)
        )
        self._log.add(event)
        what = f"weights in {file}" if file else f"model of round {model.round}"
        part = "outside" if kind is ScoredOutside else "test"
        self._announce(f"{what}: {summary(replies, part)}")
        return event


def _nothing(site: str, result: TrainResult) -> None:
    """Aggregate nothing: the hospitals only score."""
