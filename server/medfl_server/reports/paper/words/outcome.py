"""What came out, in sentences; each is empty where no hospital told what it needs."""

from collections.abc import Sequence

from medfl_common.metrics.box_counts import merge_boxes
from medfl_common.metrics.counts import confusion_scores
from medfl_common.metrics.estimates import estimates
from medfl_common.metrics.mask_counts import merge_masks
from medfl_common.run.events import Asked, Resumed, RoundWithoutQuorum
from medfl_server.reports.marks import marks
from medfl_server.reports.model_in_words import limits as limits_in_words
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.primary import tested_before
from medfl_server.reports.scores import (
    ALL,
    box_counts_in,
    mask_counts_in,
    n_scored_in,
    part_of,
    score_counts_in,
    score_counts_of_groups,
    score_sites,
)
from medfl_server.reports.sections.boxes import box_table
from medfl_server.reports.sections.confusion import printed
from medfl_server.reports.sections.masks import mask_table
from medfl_server.reports.sections.numbers import number, with_interval
from medfl_server.reports.sections.shared import main_interval, main_score, who_shared_none
from medfl_server.reports.sections.uncertainty import NAMES

CALLED = ("recall", "specificity", "precision", "accuracy")


def performance(facts: Facts) -> str:
    """Give the main score over all sites with its interval, on each part that was scored."""
    found = [
        f"{one}.{who_shared_none(event, facts.trained) if event is facts.shown else ''}"
        for event in (facts.finished, facts.tested, facts.outside)
        if event is not None and (one := _main(event, facts))
    ]
    return " ".join(found)


def _main(event: Asked, facts: Facts) -> str:
    whole = score_sites(event).get(ALL)
    name, word = main_score(facts.plan)
    if whole is None or whole.values[name] is None:
        return ""
    part = part_of(event)
    where = "outside hospitals" if part == "outside" else f"{part} part"
    interval = main_interval(event, facts.plan)
    return f"{where.capitalize()}: {word} {whole.text(name)} ({interval}), n = {whole.n}"


def diagnostic(facts: Facts) -> str:
    """Give sensitivity, specificity and the like with intervals; nothing of masks and boxes."""
    counts = facts.counts
    if counts is None or not counts.n:
        return ""
    found = estimates(counts, facts.plan.task.type, facts.plan.evaluation.specificity)
    told = [
        f"{NAMES[name]} {value} ({interval})"
        for name in CALLED
        for value, interval in (with_interval(found[name]),)
        if value != "n/a"
    ]
    part = part_of(facts.shown) if facts.shown else ""
    at = facts.plan.evaluation.threshold
    calls = f" at the threshold {at:g}" if facts.plan.task.type in ("binary", "multilabel") else ""
    return f"On the {part} part{calls}: {', '.join(told)}." if told else ""


def failures(facts: Facts) -> str:
    """Count the wrong calls, and name the site where the model does worst."""
    if facts.shown is None:
        return ""
    found = printed(score_sites(facts.shown)).get(ALL)
    if found is None or not found.confusion:
        return ""
    return f"{_wrong(found.confusion, facts.plan.task.classes)}{_worst(facts)}"


def _wrong(confusion: list[list[int]], classes: Sequence[str]) -> str:
    if isinstance(confusion[0][0], list):  # of findings
        each = [
            f"{name}: {(table := confusion[k])[0][1]} called without it, {table[1][0]} missed"
            for k, name in enumerate(classes)
        ]
        return f"Wrong calls: {'; '.join(each)}."
    each = [
        f"{confusion[true][called]} of {sum(confusion[true])} {name} called {classes[called]}"
        for true, name in enumerate(classes)
        for called in range(len(classes))
        if called != true and confusion[true][called]
    ]
    return f"Wrong calls: {'; '.join(each) or 'none'}."


def _worst(facts: Facts) -> str:
    assert facts.shown is not None
    name, word = main_score(facts.plan)
    scored = score_sites(facts.shown).items()
    known = {s: one for s, one in scored if s != ALL and one.values.get(name) is not None}
    if len(known) < 2:
        return ""
    worst = min(known, key=lambda site: known[site].values[name] or 0.0)
    return f" Lowest {word}: {known[worst].text(name)} at {worst} (n = {known[worst].n})."


def by_group(facts: Facts) -> str:
    """Give the sensitivity and specificity of each group that sites told."""
    groups = score_counts_of_groups(facts.shown, facts.plan) if facts.shown else {}
    found = []
    for kind, each in groups.items():
        for group, counts in each.items():
            rates = confusion_scores(counts)
            cells = [number(rates[key], counts.n) for key in ("recall", "specificity")]
            found.append(f"{kind} {group} (n = {counts.n}): {cells[0]}, {cells[1]}")
    return f"Sensitivity and specificity by group: {'; '.join(found)}." if found else ""


def by_site(facts: Facts) -> str:
    """Say how the main score differs between sites."""
    if facts.shown is None or facts.shown.pooled is not None:
        return ""
    name, word = main_score(facts.plan)
    found = [
        f"{site} {one.text(name)} (n = {one.n})"
        for site, one in score_sites(facts.shown).items()
        if site != ALL and one.values.get(name) is not None
    ]
    return f"{word} at each hospital: {', '.join(found)}." if len(found) > 1 else ""


def limits(facts: Facts) -> str:
    """Say what the scores do not show, as far as the run knows."""
    if facts.finished is None or facts.shown is None:
        return ""
    texts = limits_in_words(facts.finished, part_of(facts.shown), score_counts_in(facts.shown))
    if facts.plan.task.is_dense:
        texts = [texts[0], *texts[2:]]  # the second is of intervals of whole images
    if not n_scored_in(facts.shown):
        texts = []  # they are of scores
    more = [text for text in (interruptions(facts), _seen_before(facts)) if text]
    return " ".join([*texts, *marks(facts.shown, facts.plan), *more])


def _seen_before(facts: Facts) -> str:
    """Say that the test part was scored before the study went on; empty: it was not."""
    if not tested_before(facts.events):
        return ""
    return (
        "The test part had scored an earlier model before the study went on: it may have helped "
        "to choose."
    )


def interruptions(facts: Facts) -> str:
    """Count what did not go as planned; nothing where all did."""
    n_missed = sum(len(event.missing) for event in facts.of_kind(Asked))
    refused = sum(len(event.quarantined) for event in facts.of_kind(Asked))
    found = [
        f"{n} {what}"
        for what, n in (
            ("missed answers", n_missed - refused),
            ("refused answers", refused),
            ("rounds without a quorum", len(facts.of_kind(RoundWithoutQuorum))),
            ("resumptions after a stop", len(facts.of_kind(Resumed))),
        )
        if n
    ]
    return f"Not as planned: {', '.join(found)}." if found else ""


def estimates_in_words(facts: Facts) -> str:
    """Give rates at the threshold, or of masks and boxes every score with its interval."""
    if facts.shown is None or not n_scored_in(facts.shown):
        return ""
    if not facts.plan.task.is_dense:
        return diagnostic(facts)
    part = part_of(facts.shown)
    masks, boxes = mask_counts_in(facts.shown), box_counts_in(facts.shown)
    table = (
        mask_table(merge_masks([*masks.values()]), facts.plan)
        if masks
        else box_table(merge_boxes([*boxes.values()]))
    )
    told = [
        f"{name} {value} ({interval})" for name, value, interval in table.rows if value != "n/a"
    ]
    return f"On the {part} part: {'; '.join(told)}." if told else ""


def performance_by_group(facts: Facts) -> str:
    """Give the main score on each part, and the rates of groups."""
    found = performance(facts)
    return f"{found} {by_group(facts)}".rstrip() if found else ""


def capabilities(facts: Facts) -> str:
    """Say how good the model is, for whom, and what limits it; empty without scores."""
    found = performance_by_group(facts)
    return f"{found} {limits(facts)}" if found else ""
