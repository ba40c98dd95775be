"""What the report says first: the answer, and where an unfinished study stands."""

from medfl_common.run.events import Event, Finished, Paused, RoundMade
from medfl_server.reports.scores import ALL, model_round, score_sites
from medfl_server.reports.sections.numbers import three_digits
from medfl_server.study.run_directory import Study


def answer(rounds: list[RoundMade], finished: Finished | None) -> str:
    """Say what was learnt, how well, and how it was chosen."""
    if not rounds:
        return "No round has been made yet; nothing was learnt so far."
    sites = {site for event in rounds for site in event.sites}
    made = f"After {_count(len(rounds), 'round')} over {_count(len(sites), 'hospital')}"
    last = score_sites(finished or rounds[-1]).get(ALL)
    if last is None:
        return (
            f"{made} there is a common model; its scores were kept back by the hospitals' "
            "policies, so this page cannot say how good it is."
        )
    if finished is None and len(rounds) == 1:
        return (
            f"{made} the common model has not been scored yet; before training it had AUC "
            f"{three_digits(last.values['auc'])} on {last.n} validation images."
        )
    first = score_sites(rounds[0]).get(ALL)
    on = f" on {first.n} images" if first and first.n != last.n else ""
    started = f"; before training it was {three_digits(first.values['auc'])}{on}" if first else ""
    which = f"the model of round {model_round(finished or rounds[-1])}"
    area = three_digits(last.values["auc"])
    return (
        f"{made} {which} has AUC {area} (loss {last.loss:.3f}) on {last.n} "
        f"validation images of patients whom it was not trained on{started}."
        f"{_chosen(finished)}"
    )


def _chosen(finished: Finished | None) -> str:
    """Say that the best round was chosen, where it was not the last."""
    if finished is None or finished.round == finished.last:
        return ""
    return (
        f" It was the best of {finished.last} rounds on these same images, which makes its "
        "scores look a little too good."
    )


def state(study: Study, events: list[Event], rounds: list[RoundMade]) -> str:
    """Say what an unfinished study stands at; nothing where it is finished."""
    last = events[-1] if events else None
    made = f"{len(rounds)} of {study.plan.federation.rounds} rounds"
    if isinstance(last, Finished):
        return ""
    if isinstance(last, Paused):
        return f" The study is paused at {made}: too few hospitals answered; it can go on."
    return f" The study is not finished: {made}."


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
