"""The training images of each site, and the rounds that it missed."""

from collections import defaultdict

from medfl_common.errors import ASK
from medfl_common.run.events import (
    Asked,
    Event,
    Finished,
    ModelScored,
    RoundMade,
    ScoredOnTest,
    ScoredOutside,
    site_names,
)
from medfl_common.ui.page import Section, Table
from medfl_server.reports.sections.result import NONE_SHARED
from medfl_server.study.deadline import all_advice
from medfl_server.study.run_directory import Study


def sites_section(study: Study, events: list[Event], scored: list[Asked]) -> Section:
    """List each site's images, steps, and missed rounds."""
    if any(isinstance(event, Asked) and event.pooled is not None for event in events):
        return _summed(study, events)
    missed = _missed(events)
    outside = {s for e in events if isinstance(e, ScoredOutside) for s in (*e.sites, *e.missing)}
    rounds = [event for event in scored if isinstance(event, RoundMade)]
    rows = []
    for site in [name for name in site_names(events) if name not in outside]:
        replies = [event.sites[site] for event in rounds if site in event.sites]
        known = [event.sites[site].n_scored for event in scored if site in event.sites]
        n_scored = [n for n in known if n is not None]
        rows.append(
            [
                site,
                str(replies[-1].n_images) if replies else "0",
                str(replies[-1].n_steps) if replies else "0",
                f"{len(replies)} of {study.plan.federation.rounds}",
                str(n_scored[-1]) if n_scored else NONE_SHARED,
                _short_list(missed.get(site, [])) or "none",
            ]
        )
    is_noisy = study.plan.privacy.noise is not None
    who, whom = ("declared patients", "patients") if is_noisy else ("training images", "images")
    header = ["site", who, "steps a round", "rounds answered", f"{whom} scored", "missed"]
    text = (
        "Every image stayed at its hospital. Training images and scored images belong to different "
        "patients. A hospital shares no scores if it has no validation patient, or if its "
        "policy withholds a small class."
    )
    if is_noisy:
        text += " Patients scored are counted with noise."
    slow = all_advice(study.plan.federation, events)
    return Section("Which site trained on what", [text, *slow], tables=[Table(header, rows)])


def _summed(study: Study, events: list[Event]) -> Section:
    """List who took part: in sums nothing else of a site is known."""
    missed = _missed(events)
    rounds = [event for event in events if isinstance(event, RoundMade)]
    rows = []
    for site in site_names(events):
        n = sum(site in event.sites for event in rounds)
        why = _short_list(missed.get(site, [])) or "none"
        rows.append([site, f"{n} of {study.plan.federation.rounds}", why])
    pooled = [event.pooled for event in rounds if event.pooled is not None]
    n_images = f" The last was of {pooled[-1].n_images} training images." if pooled else ""
    texts = [
        "The hospitals masked what they sent: the coordinator reads sums of hospitals, so this "
        "page has no numbers by hospital. Each hospital has its own in its local report."
        f"{n_images} {_clipped(rounds)}",
        *all_advice(study.plan.federation, events),
    ]
    table = Table(["site", "rounds answered", "missed"], rows)
    return Section("Which site trained on what", texts, tables=[table])


def _clipped(rounds: list[RoundMade]) -> str:
    """Say in which rounds weights wished to change by more than the plan's range."""
    cut = [event for event in rounds if event.pooled is not None and event.pooled.n_clipped]
    void = [f"round {event.round} changed nothing: {event.void}." for event in rounds if event.void]
    if not cut:
        return " ".join(["No weight wished to change by more than the plan's range.", *void])
    n = max(event.pooled.n_clipped for event in cut if event.pooled is not None)
    said = (
        f"In {len(cut)} rounds up to {n} weights, of all hospitals together, wished to change by "
        "more than the plan's range (privacy.secure_sum.range), and were cut off."
    )
    return " ".join([said, *void])


def _missed(events: list[Event]) -> dict[str, list[str]]:
    """Say for each site why it missed what, each reason once; incidents are left to the log."""
    asked: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    final = next((event.sha256 for event in events if isinstance(event, Finished)), "")
    for event in events:
        if isinstance(event, Asked):
            for site, reason in event.missing.items():
                asked[site][reason.partition(ASK)[0]].append(_what(event, final))
    return {
        site: [f"{', '.join(dict.fromkeys(when))}: {reason}" for reason, when in why.items()]
        for site, why in asked.items()
    }


def _what(event: Asked, final: str) -> str:
    """Say what was asked; a model may be scored after the end that is not the final one."""
    if isinstance(event, ScoredOnTest | ScoredOutside) and event.sha256 != final:
        return f"scoring of round {event.round}"
    is_scoring = isinstance(event, ModelScored | ScoredOnTest | ScoredOutside | Finished)
    return "final scoring" if is_scoring else f"round {event.round}"


def _short_list(reasons: list[str]) -> str:
    more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return "; ".join(reasons[:3]) + more
