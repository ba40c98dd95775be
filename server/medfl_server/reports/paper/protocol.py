"""`protocol.md`: the plan in words, its hash and its dates."""

from medfl_common import __version__
from medfl_common.ui.page import Section, Table
from medfl_server.reports.model_in_words import what_it_does
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.words import data, evaluation, model, study

NO_AIM = "The plan names no primary aim in advance (evaluation.primary)."


def protocol_sections(facts: Facts) -> list[Section]:
    """Give the plan in words, in the order of a methods section."""
    plan = facts.plan
    scores = [evaluation.metrics(facts), evaluation.calibration(facts), evaluation.threshold(plan)]
    return [
        Section("Question", [what_it_does(plan), study.aim(facts) or NO_AIM]),
        Section("Who takes part", [data.eligibility(facts), data.subsets(facts)]),
        Section("From files to input", [data.preprocessing(facts), data.missing(facts)]),
        Section("Parts", [data.split(facts), data.disjoint(facts)]),
        Section("Network", [model.network(facts), model.start(facts)]),
        Section("Training", [model.training(facts), model.imbalance(facts)]),
        Section("Which model is the result", [model.choice(facts)]),
        Section("Scores", [text for text in scores if text]),
        Section("Intervals", [evaluation.uncertainty(facts)]),
        Section("Groups and other hospitals", _groups(facts)),
        Section("Protection", [data.hidden(facts), model.privacy(plan)]),
        Section("Changes", [study.changes(facts) or "The study has not begun."]),
        Section("Identity and dates", tables=[_identity(facts)]),
    ]


def _groups(facts: Facts) -> list[str]:
    groups = evaluation.fairness(facts) or "The plan asks for no subgroups."
    when = {"final": "once, the final model", "rounds": "each round's model and the final one"}
    outside = facts.plan.evaluation.outside
    return [groups, f"Hospitals that only score, if any, are asked to score: {when[outside]}."]


def _identity(facts: Facts) -> Table:
    rows = [
        ["study", facts.plan.study],
        ["run", facts.study.run],
        ["plan, SHA-256", facts.plan.hash()],
        ["seed", str(facts.plan.seed)],
        ["days", study.days(facts)],
        ["rounds made", f"{len(facts.rounds)} of {facts.plan.federation.rounds}"],
        ["final weights, SHA-256", facts.finished.sha256 if facts.finished else "not finished"],
        ["software", model.software(facts)],
        ["medfl that wrote this", __version__],
    ]
    return Table(["fact", "value"], rows, is_text=True)
