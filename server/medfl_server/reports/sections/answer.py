"""The first section: the answer, and the state of an unfinished study."""

from collections.abc import Sequence

from medfl_common.plan.plan import Plan
from medfl_common.run.decisions import Stopped
from medfl_common.run.events import Asked, Event, Finished, Paused, RoundMade, ScoredOnTest
from medfl_server.reports.choice import why
from medfl_server.reports.marks import marks
from medfl_server.reports.scores import ALL, model_round, part_of, score_sites
from medfl_server.reports.sections.shared import main_interval, main_score, who_shared_none
from medfl_server.study.run_directory import Study


def answer(
    rounds: list[RoundMade], shown: Asked | None, finished: Finished | None, plan: Plan
) -> str:
    """Say how good the model is, and how the study chose it."""
    if not rounds or shown is None:
        return "There is no finished round yet, so there is no model."
    sites = {site for event in rounds for site in event.sites}
    trained = {s: reply.n_images for event in rounds for s, reply in event.sites.items()}
    made = f"After {_count(len(rounds), 'round')} over {_count(len(sites), 'hospital')}"
    last = score_sites(shown).get(ALL)
    name, word = main_score(plan)
    if last is None:
        return " ".join([f"{made} there is a common model.", *marks(shown, plan)])
    if finished is None and len(rounds) == 1:
        return (
            f"{made} the common model has no scores yet; before training it had {word} "
            f"{last.text(name)} on {last.of_images('validation')}."
        )
    interval = main_interval(shown, plan)
    first = score_sites(rounds[0]).get(ALL)
    is_test = isinstance(shown, ScoredOnTest)
    which = "validation images" if is_test else "images"
    on = f" on {first.n} {which}" if first and (is_test or first.n != last.n) else ""
    started = f"; before training it was {first.text(name)}{on}" if first else ""
    outside = "who neither trained nor chose it" if is_test else "outside its training"
    return (
        f"{made} the model of round {model_round(shown)} has {word} {last.text(name)} ({interval}) "
        f"on {last.of_images(part_of(shown))} of patients {outside}{started}."
        f"{who_shared_none(shown, trained)}{_chosen(finished, is_test)}"
        + "".join(f" {mark}" for mark in marks(shown, plan))
    )


def _chosen(finished: Finished | None, is_test: bool) -> str:
    """Say why the result is this round's model."""
    if finished is None:
        return ""
    if finished.choice is None:  # the log of a version that compared whatever sites scored
        is_last = finished.round == finished.last
        return "" if is_last else f" It was chosen among {finished.last} rounds by these scores."
    which = "the last" if finished.round == finished.last else f"one of {finished.last}"
    chosen = f" Round {finished.round}, {which}, is the result: {why(finished.choice)}."
    if finished.choice.is_best and not is_test:
        chosen += " The same images chose and score it, so its scores look slightly too good."
    return chosen


def who_stopped(events: Sequence[Event], plan: Plan) -> str:
    """Say who has ended the study before its last round, and why; empty: nobody has."""
    stops = [event for event in events if isinstance(event, Stopped)]
    return stops[-1].in_words(plan.federation.rounds) if stops else ""


def state(study: Study, events: list[Event], rounds: list[RoundMade]) -> str:
    """Say how far an unfinished study is, or who has ended it before its last round."""
    last, who = events[-1] if events else None, who_stopped(events, study.plan)
    made = f"{len(rounds)} of {study.plan.federation.rounds} rounds"
    stopped = f" The study was {who}." if who else ""
    if any(isinstance(event, Finished) for event in events):  # more may be scored after it
        return stopped
    if who:
        return f"{stopped} The last scoring is not done."
    if isinstance(last, Paused):
        return f" The study is paused at {made}: too few hospitals answered; it can resume."
    return f" The study is not finished: {made}."


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
