"""The scores in a line of the run log: computed once, by the loop, so that no page does it again.

    "scores": {"all": {"n": 141, "loss": 0.61, "auc": 0.78, ..., "bounds": {"auc": 0.002}},
               "sites": {"site-1": {"n": 52, "loss": 0.6, "auc": 0.77, "accuracy": 0.7, ...}}}

`all` has every score, a site those that pages draw, to DIGITS places. `bounds` says how far a value
may be off by its bins, `n_with` how many cases of masks or boxes have the rarest class.
"""

from collections.abc import Sequence
from dataclasses import replace

from medfl_common.files import Json
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked
from medfl_server.reports.scores import ALL, Scored, model_round, score_sites

DIGITS = 6  # decimal places of a site's scores: a line in a curve shows no more
DRAWN = ("auc", "accuracy", "dice", "nsd", "froc", "ap50")  # of a site, where its task has them


def with_scores(asked: Asked) -> Asked:
    """Add to the facts of a question what its counts say; nothing where there are none."""
    found = score_sites(asked)
    if not found:
        return asked
    sites: dict[str, Json] = {
        site: _of_site(scored) for site, scored in found.items() if site != ALL
    }
    scores: Json = {"all": _to_json(found[ALL]), "sites": sites}
    return Asked({**asked.facts, "scores": scores})


def _to_json(scored: Scored) -> Json:
    facts: dict[str, Json] = {"n": scored.n, "loss": scored.loss, **scored.values}
    bounds: dict[str, Json] = {name: value for name, value in scored.bounds.items() if value}
    facts |= {"bounds": bounds} if bounds else {}
    return facts if scored.n_with is None else {**facts, "n_with": scored.n_with}


def _of_site(scored: Scored) -> Json:
    values = {name: _short(value) for name, value in scored.values.items() if name in DRAWN}
    bounds = {name: round(value, DIGITS) for name, value in scored.bounds.items()}
    return _to_json(replace(scored, loss=round(scored.loss, DIGITS), values=values, bounds=bounds))


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def values_of(event: Asked, value: str, plan: Plan | None = None) -> dict[str, float | None]:
    """Give `loss` or a score by site, and of all under ALL: from the line, else from its counts."""
    told = event.scores
    if told is not None and value in told["all"]:
        found = {site: own.get(value) for site, own in told["sites"].items() if value in own}
        if len(found) == len(told["sites"]):
            return {**found, ALL: told["all"][value]}
    return {
        name: scored.loss if value == "loss" else scored.values.get(value)
        for name, scored in score_sites(event, plan).items()
    }


def curves(
    events: Sequence[Asked], value: str, plan: Plan | None = None
) -> dict[str, tuple[list[float], list[float]]]:
    """Follow `loss` or a score over rounds: name -> (rounds made, values), as far as known.

    Args:
        events: Events that hold scores, in order of the model that they score.
        value: `loss`, or a score's name.
        plan: Whose own metrics may be meant.
    """
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for event in events:
        for name, known in values_of(event, value, plan).items():
            if known is not None:
                x, y = lines.setdefault(name, ([], []))
                x.append(model_round(event))
                y.append(known)
    return lines
