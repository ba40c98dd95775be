"""The first section: the answer, and the state of an unfinished study."""

from medfl_common.plan.plan import Plan
from medfl_common.run.events import Event, Finished, Paused, RoundMade
from medfl_server.reports.choice import why
from medfl_server.reports.marks import marks
from medfl_server.reports.scores import ALL, model_round, score_sites
from medfl_server.reports.sections.shared import auc_interval, who_shared_none
from medfl_server.study.run_directory import Study


def answer(rounds: list[RoundMade], finished: Finished | None, plan: Plan) -> str:
    """Say how good the model is, and how the study chose it."""
    if not rounds:
        return "There is no finished round yet, so there is no model."
    sites = {site for event in rounds for site in event.sites}
    trained = {s: reply.n_images for event in rounds for s, reply in event.sites.items()}
    made = f"After {_count(len(rounds), 'round')} over {_count(len(sites), 'hospital')}"
    last = score_sites(finished or rounds[-1]).get(ALL)
    if last is None:
        return " ".join([f"{made} there is a common model.", *marks(finished or rounds[-1], plan)])
    if finished is None and len(rounds) == 1:
        return (
            f"{made} the common model has no scores yet; before training it had AUC "
            f"{last.text('auc')} on {last.n} validation images."
        )
    interval = auc_interval(finished or rounds[-1], plan)
    first = score_sites(rounds[0]).get(ALL)
    on = f" on {first.n} images" if first and first.n != last.n else ""
    started = f"; before training it was {first.text('auc')}{on}" if first else ""
    which = f"the model of round {model_round(finished or rounds[-1])}"
    return (
        f"{made} {which} has AUC {last.text('auc')} (95 % interval {interval}) on {last.n} "
        f"validation images of patients outside its training{started}."
        f"{who_shared_none(finished or rounds[-1], trained)}{_chosen(finished)}"
        + "".join(f" {mark}" for mark in marks(finished or rounds[-1], plan))
    )


def _chosen(finished: Finished | None) -> str:
    """Say why the result is this round's model."""
    if finished is None:
        return ""
    if finished.choice is None:  # the log of a version that compared whatever sites scored
        is_last = finished.round == finished.last
        return "" if is_last else f" It was chosen among {finished.last} rounds by these scores."
    which = "the last" if finished.round == finished.last else f"one of {finished.last}"
    chosen = f" Round {finished.round}, {which}, is the result: {why(finished.choice)}."
    if finished.choice.is_best:
        chosen += " The same images chose and score it, so its scores look slightly too good."
    return chosen


def state(study: Study, events: list[Event], rounds: list[RoundMade]) -> str:
    """Say how far an unfinished study is; nothing if it is finished."""
    last = events[-1] if events else None
    made = f"{len(rounds)} of {study.plan.federation.rounds} rounds"
    if isinstance(last, Finished):
        return ""
    if isinstance(last, Paused):
        return f" The study is paused at {made}: too few hospitals answered; it can resume."
    return f" The study is not finished: {made}."


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
