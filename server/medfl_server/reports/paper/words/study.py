"""The study as a whole: its title, aim, goal, hospitals, changes, dates, and its files."""

import time

from medfl_common import __version__
from medfl_common.plan.primary import in_words as aim_in_words
from medfl_common.run.decisions import PlanChanged, Stopped, TakenBack
from medfl_common.run.events import Event
from medfl_server.reports.model_in_words import task_in_words, what_it_does
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.words import outcome
from medfl_server.reports.primary import changed, verdict
from medfl_server.reports.scores import n_scored_in

SAFETY = (
    "Hospitals open connections, TLS of the study's own authority; they sign requests and answers "
    "with enrolled keys, the coordinator signs each task; decoders run in a sandbox; each hospital "
    "keeps a chained ledger of what left. A simulation sends nothing. medfl's SECURITY.md names "
    "threats, measures and their tests."
)
APPROVED = "Each hospital approves a plan by its hash before anything of it is trained there."
SIMULATED = "A simulation approves nothing."


def title(facts: Facts) -> str:
    """Propose a title that names the technique."""
    n = facts.n_trained or len(facts.sites)
    where = f" at {n} hospitals" if n > 1 else ""
    tested = facts.outside is not None and n_scored_in(facts.outside)
    how = "development and external validation" if tested else "development and internal validation"
    return (
        f'Proposed: "Federated deep learning ({facts.plan.model.called}) of a model that '
        f'{task_in_words(facts.plan)}{where}: {how}".'
    )


def abstract(facts: Facts) -> str:
    """Draft methods and results; empty of a study that is not finished."""
    result = outcome.performance(facts)
    if facts.finished is None or not result:
        return ""
    n = sum(facts.trained.values())
    return (
        f"Methods: {what_it_does(facts.plan)} {trainers(facts)} trained it together "
        f"({facts.plan.federation.strategy}, {len(facts.rounds)} rounds) on {n} training "
        f"{'patients as declared' if facts.plan.privacy.noise else 'images'}"
        f"{' that stayed with them' if facts.read is None else ''}. "
        f"Results: {result}{primary_result(facts)}"
    )


def trainers(facts: Facts) -> str:
    """Count the hospitals that trained, and say whether one machine played them."""
    if facts.read is None:
        return f"{facts.n_trained} hospitals"
    return f"{facts.n_trained} simulated hospitals on one machine"


def aim(facts: Facts) -> str:
    """Say what the plan named in advance as its primary aim; empty: nothing."""
    primary = facts.plan.evaluation.primary
    if primary is None:
        return ""
    plan, later = facts.plan, changed(facts.events)
    words = aim_in_words(primary, plan.evaluation.specificity, plan.images.distance_unit)
    when = "" if later else " in advance"
    return f"The plan names{when} as its primary aim: {words} (95 % interval).{later}"


def primary_result(facts: Facts) -> str:
    """Say whether the aim was met; empty of a plan without one, or an unfinished study."""
    if facts.plan.evaluation.primary is None or facts.finished is None:
        return ""
    return f" {verdict(facts.events, facts.plan).sentence}"


def goal(facts: Facts) -> str:
    """Say what kind of study it is."""
    tested = facts.outside is not None and n_scored_in(facts.outside)
    more = ", and tests it at hospitals that trained nothing of it" if tested else ""
    return (
        "The study develops a model by federated learning and scores it on patients of the same "
        f"hospitals who were not trained on{more}. {what_it_does(facts.plan)}"
    )


def sources(facts: Facts) -> str:
    """Say at how many hospitals the data lie, and how many images each trained on."""
    if not facts.trained:
        return ""
    noisy = facts.plan.privacy.noise is not None
    n = ", ".join(f"{site} {n}" for site, n in facts.trained.items())
    outside = facts.outside_sites
    more = f" Hospitals that only scored: {', '.join(outside)}." if outside else ""
    return (
        f"{'/'.join(facts.plan.images.modality)} images of {trainers(facts)}"
        f"{', read where they lie' if facts.read is None else ''}. "
        f"{'Declared patients' if noisy else 'Training images'}: {n}.{more}"
    )


def changes(facts: Facts) -> str:
    """List the changes of plan and course, or say that there were none."""
    found = []
    for event in facts.events:
        if isinstance(event, PlanChanged):
            what = "; ".join(f"{key}: {before} to {now}" for key, before, now in event.changes)
            found.append(f"after round {event.round} the plan changed ({what})")
        elif isinstance(event, TakenBack):
            found.append(f"rounds after {event.round} were taken back, without {event.site}")
        elif isinstance(event, Stopped):
            found.append(
                f"a person ended the study after round {event.round} of the plan's "
                f"{facts.plan.federation.rounds}; report.html has the reason"
            )
    if not found:
        return "The plan was not changed since the study was made." if facts.events else ""
    text = "; ".join(found)
    return f"{text[0].upper()}{text[1:]}."


def protocol(facts: Facts) -> str:
    """Say where the protocol is."""
    return (
        f"protocol.md and plan.yaml beside this file; the plan's SHA-256 is {facts.plan.hash()}"
        f"{_former_plans(facts)}. {SIMULATED if facts.read is not None else APPROVED}"
    )


def _former_plans(facts: Facts) -> str:
    """Name the plans of earlier rounds, and from which round each holds."""
    changed = facts.of_kind(PlanChanged)
    if not changed:
        return ""
    starts = [1, *(event.round + 1 for event in changed)]
    hashes = [*(str(event.facts["before"]) for event in changed), facts.plan.hash()]
    told = ", ".join(f"{one} from round {n}" for n, one in zip(starts, hashes, strict=True))
    return f" now; plans by round: {told}"


def availability(facts: Facts) -> str:
    """Say what there is of software, model and data; empty of a study that is not finished."""
    if facts.finished is None:
        return ""
    return (
        f"Software: medfl {__version__}, Apache-2.0. Model: shared weights with the SHA-256 "
        f"{facts.finished.sha256}. Data: "
        f"{'at the hospitals, and not shared' if facts.read is None else 'of a simulation'}. "
        "A text for the paper is in data-availability.md."
    )


def safety(facts: Facts) -> str:
    """Say what secures a study."""
    return SAFETY


def days(facts: Facts) -> str:
    """Give the days of the first event and of the end."""
    if not facts.events:
        return "The study has not begun."
    end = f"finished {day(facts.finished)}" if facts.finished else "not finished"
    return f"Begun {day(facts.events[0])}, {end}."


def day(event: Event) -> str:
    """Write an event's day, in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(event.time))


def version(facts: Facts) -> str:
    """Say which model this is; empty of a study that is not finished."""
    if facts.finished is None:
        return ""
    return (
        f"{facts.plan.study}, shared weights with the SHA-256 {facts.finished.sha256}, "
        f"of the plan {facts.plan.hash()}. {days(facts)}"
    )
