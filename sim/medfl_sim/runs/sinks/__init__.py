"""Other programs that show a run's log as it grows, one file each.

The log stays the truth: a sink is told every round of it from the first on, whenever a run is
begun or gone on with.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from medfl_common.registry import Registry
from medfl_common.run.log import Event
from medfl_server.reports.scores import model_round, score_sites
from medfl_server.study.run_directory import Study

SHOWN = ("auc", "accuracy", "f1")


class Sink(Protocol):
    """Takes the figures of a run."""

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Take named figures of a model of so many rounds, or of the making of a round."""

    def close(self) -> None:
        """Write what is left; the run has ended, or was stopped."""


SINKS: Registry[Callable[[Study], Sink]] = Registry("sink", "medfl_sim.runs.sinks")


@contextmanager
def feeding(study: Study, names: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Open sinks by name; give what passes on the events that are new; close them in the end."""
    sinks = [SINKS.get(name)(study) for name in names]
    n_passed = 0

    def feed() -> None:
        nonlocal n_passed
        events = study.log.events() if sinks else []
        for event in events[n_passed:]:
            for step, figures in figures_of(event):
                for sink in sinks:
                    sink.write(step, figures)
        n_passed = len(events)

    try:
        yield feed
        feed()
    finally:
        for sink in sinks:
            sink.close()


def figures_of(event: Event) -> Iterator[tuple[int, dict[str, float]]]:
    """Give (step, figures) of an event: scores of the model before a round, then of the round."""
    if event["event"] not in ("round", "scored", "finished"):
        return
    scores = {
        f"{name}/{site}": float(value)
        for site, scored in score_sites(event).items()
        for name, value in {"loss": scored.loss, **scored.values}.items()
        if value is not None and name in ("loss", *SHOWN)
    }
    if scores:
        yield model_round(event), scores
    sites: dict[str, Any] = event["sites"]  # type: ignore[assignment]
    n_images = sum(facts["n_images"] for facts in sites.values())
    if event["event"] == "round" and n_images:
        loss = sum(facts["train_loss"] * facts["n_images"] for facts in sites.values()) / n_images
        yield (
            int(str(event["round"])),
            {
                "training/loss": loss,
                "round/seconds": float(str(event["seconds"])),
                "round/sites": float(len(sites)),
                "round/mb_received": sum(f["bytes_received"] for f in sites.values()) / 1e6,
            },
        )
