"""`results.md`: scores with intervals, by part, site and group; failures, limits, and the cost."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from medfl_common.metrics.calibration import reliability
from medfl_common.metrics.counts import merge
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked
from medfl_common.run.model_file import read_scores
from medfl_common.ui.page import Section, Table
from medfl_server.reports.details import detail_sections
from medfl_server.reports.paper.cost import cost_section
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.inner_studies import alone_section, left_out_section
from medfl_server.reports.paper.words import outcome
from medfl_server.reports.scores import ALL, part_of, score_counts_in, score_sites
from medfl_server.reports.sections.calibration import advice
from medfl_server.reports.sections.confusion import confusion_table, left_unprinted, printed
from medfl_server.reports.sections.outside import outside_section
from medfl_server.reports.sections.privacy import privacy_section
from medfl_server.reports.sections.result import header_of, result_section, score_rows
from medfl_server.reports.sections.roc import labelled

NOT_FINISHED = "The study is not finished, so there are no results yet."


def result_sections(facts: Facts) -> list[Section]:
    """Give what the results file says, in its order."""
    shown, finished = facts.shown, facts.finished
    if shown is None or finished is None:
        return [Section("Results", [NOT_FINISHED]), cost_section(facts)]
    return [
        *_scores(facts, shown),
        *_without_pictures(detail_sections(shown, finished, facts.plan)),
        *_calibration_table(facts),
        *_validation(facts, shown),
        *outside_section(facts.events, facts.plan),
        *left_out_section(facts),
        *alone_section(facts),
        _failures(facts),
        _limits(facts),
        privacy_section(facts.plan, facts.events),
        cost_section(facts),
    ]


def _scores(facts: Facts, shown: Asked) -> Iterator[Section]:
    found = result_section(facts.plan, shown)
    yield Section(f"On the {part_of(shown)} part", found.texts, tables=found.tables)


def _validation(facts: Facts, shown: Asked) -> Iterator[Section]:
    """Show the part that chose the model too, where another one is shown first."""
    if shown is facts.finished or facts.finished is None:
        return
    event, found = facts.finished, score_sites(facts.finished)
    tables = [Table(header_of(facts.plan), score_rows(event, facts.plan), total=ALL)]
    if not facts.plan.task.is_dense:
        classes = facts.plan.task.classes
        tables += [confusion_table(name, one, classes) for name, one in printed(found).items()]
    chose = event.choice is None or event.choice.is_best
    text = "The same model on the part that chose it." if chose else "The same model."
    texts = [one for one in (text, left_unprinted(found)) if one]
    yield Section("On the validation part", texts, tables=tables)


def _without_pictures(sections: Sequence[Section]) -> list[Section]:
    """Leave pictures out, and sections that are nothing else: figures are files of their own."""
    return [replace(one, pictures=[]) for one in sections if one.tables or not one.pictures]


def _calibration_table(facts: Facts) -> Iterator[Section]:
    """Write the reliability curve as numbers, since a figure stands in a file of its own."""
    if facts.counts is None:
        return
    rows = [
        [name, f"{group.predicted:.2f}", f"{group.observed:.2f}", str(group.n)]
        for name, positive, negative in labelled(facts.counts, facts.plan)
        for group in reliability(positive, negative)
    ]
    header = ["class", "predicted", "observed", "images"]
    text = _temperature(facts)
    yield Section("Calibration", [text], tables=[Table(header, rows)])


def _temperature(facts: Facts) -> str:
    """Say which temperature the validation part suggests."""
    counted = score_counts_in(facts.finished) if facts.finished else {}
    chosen = merge([*counted.values()]) if counted else None
    return advice(read_scores(chosen, facts.plan, 1), "validation")


def _failures(facts: Facts) -> Section:
    texts = [outcome.failures(facts), outcome.by_site(facts), outcome.interruptions(facts)]
    found = [text for text in texts if text]
    how = "look --worst" if facts.plan.task.is_dense else "explain"
    more = (
        f"Which images are wrong is known at the hospitals only: `medfl-client {how}` shows them."
    )
    return Section("Failures", [*(found or ["No counts of wrong calls were told."]), more])


def _limits(facts: Facts) -> Section:
    return Section("Harms and limits", [outcome.limits(facts), *_harms(facts.plan)])


def _harms(plan: Plan) -> list[str]:
    texts = ["Research software, not a medical device: not for decisions about a person."]
    if not plan.evaluation.subgroups:
        texts.append("The plan asks for no subgroup, so nothing says whom the model serves worse.")
    return texts
