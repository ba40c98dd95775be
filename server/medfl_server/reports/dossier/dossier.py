"""`dossier.html` and `dossier.md`: what a study tells of persons, and a skeleton of a DPIA.

EDPB: Opinion 28/2024 on certain data protection aspects related to the processing of personal data
in the context of AI models, 2024. It asks what was done in design, what tests of attacks gave, and
for documents of both. Article 35(7) of Regulation (EU) 2016/679 says what an assessment contains.
"""

from pathlib import Path

from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.run.events import Event, Finished
from medfl_common.ui.page import render
from medfl_server.reports.dossier.assessment import assessment
from medfl_server.reports.dossier.attacks import attacks
from medfl_server.reports.dossier.leaving import leaving, model_and_data
from medfl_server.reports.dossier.line import ALWAYS, FROM_RUN, YOURS, Line, section
from medfl_server.reports.dossier.measures import measures
from medfl_server.reports.model_card import as_markdown
from medfl_server.study.run_directory import Study

QUESTION = "What does this study tell of persons, and who has looked?"
ANSWER = (
    "{known} lines are from the run, {always} hold in every run, and {yours} are for you to write. "
    "The dossier does not say that the model is free of personal data: that is a judgement on all "
    "of it, and a person's."
)
SOURCE = (
    "In the order in which EDPB Opinion 28/2024 asks: the design, what leaves, measures, tests of "
    "attacks, what is left. The run does not know the hospitals' policies: each one's audit page "
    "has them."
)

Part = tuple[str, list[Line], str]


def write_dossier(study: Study) -> Path:
    """Write both files of a study, finished or not; give the page."""
    parts = parts_of(study)
    sections = [section(*part) for part in parts]
    title, answer = f"Privacy dossier: {study.plan.study}", ANSWER.format(**counts_of(parts))
    page = render(title, QUESTION, answer, sections, __version__)
    write_atomic(study.files.dossier_page, page.encode())
    write_atomic(study.files.dossier, as_markdown(title, answer, sections).encode())
    return study.files.dossier_page


def parts_of(study: Study) -> list[Part]:
    """Give heading, lines and introduction of each part."""
    events = study.log.read(Event)
    finished = [event for event in events if isinstance(event, Finished)]
    return [
        ("The model and its data", model_and_data(study, events, finished), SOURCE),
        ("What leaves a hospital, and to whom", leaving(study.plan, events), ""),
        (
            "Measures",
            measures(study.plan, events),
            "Each with the test that holds it, in medfl's source.",
        ),
        (
            "Tests of attacks",
            attacks(study, events),
            "A test that fails shows that this attack failed.",
        ),
        *assessment(study.plan),
    ]


def counts_of(parts: list[Part]) -> dict[str, int]:
    """Count the lines from the run, those of every run, and those that a person writes."""
    whose = [one.whose for _, lines, _ in parts for one in lines]
    names = {"known": FROM_RUN, "always": ALWAYS, "yours": YOURS}
    return {name: whose.count(label) for name, label in names.items()}
