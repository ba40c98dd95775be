"""The first section: the answer, and the state of an unfinished study."""

from medfl_common.run.events import Event, Finished, Paused, RoundMade
from medfl_server.reports.scores import ALL, model_round, score_sites
from medfl_server.reports.sections.numbers import three_digits
from medfl_server.study.run_directory import Study


def answer(rounds: list[RoundMade], finished: Finished | None) -> str:
    """Say how good the model is, and how the study chose it."""
    if not rounds:
        return "There is no finished round yet, so there is no model."
    sites = {site for event in rounds for site in event.sites}
    made = f"After {_count(len(rounds), 'round')} over {_count(len(sites), 'hospital')}"
    last = score_sites(finished or rounds[-1]).get(ALL)
    if last is None:
        return (
            f"{made} there is a common model; the hospitals' policies withhold its scores, "
            "so this page cannot say how good it is."
        )
    if finished is None and len(rounds) == 1:
        return (
            f"{made} the common model has no scores yet; before training it had AUC "
            f"{three_digits(last.values['auc'])} on {last.n} validation images."
        )
    first = score_sites(rounds[0]).get(ALL)
    on = f" on {first.n} images" if first and first.n != last.n else ""
    started = f"; before training it was {three_digits(first.values['auc'])}{on}" if first else ""
    which = f"the model of round {model_round(finished or rounds[-1])}"
    area = three_digits(last.values["auc"])
    return (
        f"{made} {which} has AUC {area} (loss {last.loss:.3f}) on {last.n} "
        f"validation images of patients outside its training{started}."
        f"{_chosen(finished)}"
    )


def _chosen(finished: Finished | None) -> str:
    """Say that the result is the best round, if that is not the last."""
    if finished is None or finished.round == finished.last:
        return ""
    return (
        f" It was the best of {finished.last} rounds on these same images, which makes its "
        "scores look slightly too good."
    )


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
