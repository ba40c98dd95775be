"""Other programs that show a run's log as it grows, one file each.

The log stays the source: a run that starts or resumes sends every round of it, from the first on,
to each sink.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from medfl_common.registry import Registry
from medfl_common.run.events import Event, Finished, ModelScored, RoundMade, ScoredOnTest
from medfl_common.run.following import NewLines
from medfl_server.reports.scores import model_round, score_sites
from medfl_server.study.run_directory import Study

SHOWN = ("auc", "accuracy", "f1", "dice", "nsd", "froc", "ap50")


class Sink(Protocol):
    """Takes the figures of a run."""

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Take named figures of the model after some rounds, or of a round itself."""

    def close(self) -> None:
        """Write what is left; the run has ended or stopped."""


SINKS: Registry[Callable[[Study], Sink]] = Registry("sink", "medfl_sim.runs.sinks")


@contextmanager
def feeding(study: Study, names: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Open sinks by name; yield a function that passes new events on; close them in the end."""
    sinks = [SINKS.get(name)(study) for name in names]
    log, new_lines = study.log, NewLines(study.files.log)

    def feed() -> None:
        if not sinks:
            return
        for event in map(log.event, new_lines()):
            for step, figures in [] if event.is_beside else figures_of(event):
                for sink in sinks:
                    sink.write(step, figures)

    try:
        yield feed
        feed()
    finally:
        for sink in sinks:
            sink.close()


def figures_of(event: Event) -> Iterator[tuple[int, dict[str, float]]]:
    """Return (step, figures) of an event: scores of the model before a round, then of the round."""
    if not isinstance(event, RoundMade | ModelScored | ScoredOnTest | Finished):
        return
    part = "test/" if isinstance(event, ScoredOnTest) else ""
    scores = {
        f"{part}{name}/{site}": float(value)
        for site, scored in score_sites(event).items()
        for name, value in {"loss": scored.loss, **scored.values}.items()
        if value is not None and name in ("loss", *SHOWN)
    }
    if scores:
        yield model_round(event), scores
    replies, pooled = [*event.sites.values()], event.pooled
    told = [pooled] if pooled is not None else replies
    n_images = sum(reply.n_images for reply in told)
    if isinstance(event, RoundMade) and n_images:
        loss = sum((reply.train_loss or 0.0) * reply.n_images for reply in told) / n_images
        yield (
            event.round,
            {
                **({"training/loss": loss} if loss else {}),
                "round/seconds": event.seconds,
                "round/sites": float(len(replies)),
                "round/mb_received": sum(reply.bytes_received for reply in replies) / 1e6,
            },
        )
