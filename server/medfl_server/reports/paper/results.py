"""`results.md`: scores with intervals, by part, site and group; failures, limits, and the cost."""

from collections.abc import Iterator

from medfl_common.metrics.calibration import reliability
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked
from medfl_common.ui.page import Section, Table
from medfl_server.reports.details import detail_sections
from medfl_server.reports.paper.cost import cost_section
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.inner_studies import alone_section, left_out_section
from medfl_server.reports.paper.words import outcome
from medfl_server.reports.scores import part_of
from medfl_server.reports.sections.outside import outside_section
from medfl_server.reports.sections.privacy import privacy_section
from medfl_server.reports.sections.result import result_section
from medfl_server.reports.sections.roc import labelled

NOT_FINISHED = "The study is not finished, so there are no results yet."


def result_sections(facts: Facts) -> list[Section]:
    """Give what the results file says, in its order."""
    shown, finished = facts.shown, facts.finished
    if shown is None or finished is None:
        return [Section("Results", [NOT_FINISHED]), cost_section(facts)]
    return [
        *_scores(facts, shown),
        *detail_sections(shown, finished, facts.plan),
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
    found = result_section(facts.plan, facts.finished)
    heading = "On the validation part, which chose the model"
    yield Section(heading, found.texts, tables=found.tables)


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
    yield Section("Calibration in numbers", tables=[Table(header, rows)])


def _failures(facts: Facts) -> Section:
    texts = [outcome.failures(facts), outcome.by_site(facts), outcome.interruptions(facts)]
    found = [text for text in texts if text]
    more = (
        "Which images are wrong is known at the hospitals only: there `medfl-client explain` and "
        "`medfl-client look --worst` show them."
    )
    return Section("Failures", [*(found or ["No counts of wrong calls were told."]), more])


def _limits(facts: Facts) -> Section:
    return Section("Harms and limits", [outcome.limits(facts), *_harms(facts.plan)])


def _harms(plan: Plan) -> list[str]:
    texts = ["Research software, not a medical device: not for decisions about a person."]
    if not plan.evaluation.subgroups:
        texts.append("The plan asks for no subgroup, so nothing says whom the model serves worse.")
    return texts
