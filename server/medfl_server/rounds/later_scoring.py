"""A finished study's models, scored again or elsewhere: hospitals that were away, or came later."""

from collections.abc import Container
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load

from medfl_common.errors import ConfigError, RunError
from medfl_common.models.weights import Weights
from medfl_common.run.checkpoint import Checkpoint, digest, load_newest
from medfl_common.run.events import Finished, ScoredOnTest, ScoredOutside, WithModel
from medfl_common.run.model_file import WEIGHTS
from medfl_common.wire.results import TrainResult
from medfl_server.rounds.best_round import path_of_best
from medfl_server.rounds.collect import Collection
from medfl_server.rounds.disk_retry import RetryingLog
from medfl_server.rounds.late_replies import LateReplies
from medfl_server.rounds.round_facts import facts_of_round, summary
from medfl_server.rounds.sent_once import SentOnce
from medfl_server.study.initial_weights import initial_weights
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce, Post


def model_to_score(study: Study, wish: str) -> Checkpoint:
    """Find what is to be scored: the final model (empty), a round's (its number), or a file.

    Raises RunError where the study is not finished, ConfigError where there is no such model.
    """
    finished = study.log.read(Finished)
    if not finished:
        raise RunError(
            f"{study.folder} is not finished, and a test part is scored once, for the result",
            todo="let medfl-server run finish it",
        )
    names = initial_weights(study)[0].names("shared")
    if not wish:
        return Checkpoint(finished[-1].round, _read(study.folder / WEIGHTS, names), {})
    if not wish.isdigit():
        return Checkpoint(finished[-1].last, _read(Path(wish), names), {})
    newest, _ = load_newest(study.checkpoints)
    if newest is not None and newest.round == int(wish):
        return replace(newest, state={})
    path = path_of_best(study.checkpoints, int(wish))
    if path.exists():
        return Checkpoint(int(wish), _read(path, names), {})
    raise ConfigError(
        f"the weights of round {wish} are not kept",
        todo="name the last round, the best one, or a file of weights",
    )


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
        model, start = initial_weights(study)
        self._shapes = model.shapes
        self._shared = model.names("shared")
        self._sent_once = SentOnce({n: t for n, t in start.items() if n not in self._shared})

    def run(self, model: Checkpoint, chosen: Container[str] | None) -> list[WithModel]:
        """Ask the chosen hospitals, or all; wait for all of them, until the plan's deadline."""
        for name in self._shared:
            if name not in model.weights or tuple(model.weights[name].shape) != self._shapes[name]:
                raise ConfigError(
                    f"the weights are not of this study's network: {name} is missing or another",
                    todo="name a .safetensors of this study's network",
                )
        events: list[WithModel] = []
        for post, kind in ((self._post, ScoredOnTest), (self._post.to_outside(), ScoredOutside)):
            sites = {name for name in post.roster() if chosen is None or name in chosen}
            if sites:
                events.append(self._ask(post, kind, model, sites))
        return events

    def _ask(
        self, post: Post, kind: type[WithModel], model: Checkpoint, sites: set[str]
    ) -> WithModel:
        late = LateReplies(post, self._log, self._announce, self._study.plan.federation)
        collection = Collection(
            self._study, post, self._announce, _nothing, self._sent_once, late, sites
        )
        replies = collection.run("test", model.round, model.weights, lambda: len(sites))
        event = kind.of_model(digest(model.weights), facts_of_round(model.round, replies))
        self._log.add(event)
        self._announce(f"model of round {model.round}: {summary(replies, 'test')}")
        return event


def _nothing(site: str, result: TrainResult) -> None:
    """Aggregate nothing: the hospitals only score."""
