"""TRIPOD+AI, for studies of prediction models by regression or machine learning.

Collins, Moons, Dhiman et al.: TRIPOD+AI statement: updated guidance for reporting clinical
prediction models that use regression or machine learning methods. BMJ 385:e078378 (2024).
https://doi.org/10.1136/bmj-2023-078378
What an item asks is said in medfl's words; the statement's wording counts.
"""

from medfl_server.reports.paper.checklists.item import Checklist, Item
from medfl_server.reports.paper.checklists.tripod_methods import ANALYSIS, DATA, REST
from medfl_server.reports.paper.participants import (
    characteristics,
    events_by_class,
    has_flow,
    numbers,
)
from medfl_server.reports.paper.words import model, outcome, study

BEGINNING = [
    Item(
        "1", "Title: develops or evaluates a prediction model, of what in whom", "The final title.",
        study.title, is_whole=False,
    ),
    Item(
        "2", "Abstract, by TRIPOD+AI for Abstracts", "Background and conclusions.",
        study.abstract, is_whole=False,
    ),
    Item(
        "3a", "Healthcare context, and why this model",
        "Diagnosis or prognosis, reasons, and models that there are.",
    ),
    Item("3b", "In whom and for what the model is meant", "Care pathway and users."),
    Item("3c", "Known inequalities in health", "Between which groups."),
    Item(
        "4", "Objectives: development, evaluation or both", "The aims in your words.", study.goal,
    ),
]  # fmt: skip
OPEN = [
    Item("18a", "Funding", "Grants and the funders' role."),
    Item("18b", "Conflicts of interest", "Of all authors."),
    Item(
        "18c", "Protocol", "Where protocol.md is deposited.", study.protocol, is_whole=False,
    ),
    Item("18d", "Registration", "Register and number, or that there is none."),
    Item(
        "18e", "Availability of data", "How to ask each hospital.", study.availability,
        is_whole=False,
    ),
    Item(
        "18f", "Availability of the code of the analysis", "The address of your code.",
        study.availability, is_whole=False,
    ),
    Item("19", "Patients and the public", "How they took part, or that they did not."),
]  # fmt: skip
RESULTS = [
    Item(
        "20a", "Flow of participants, with and without the outcome",
        "The flow; federation.participants asks hospitals for it.", numbers,
        whole_if=has_flow,
    ),
    Item(
        "20b", "Characteristics over all and by source",
        "Dates, treatments, outcome; federation.participants asks hospitals for age and sex.",
        characteristics, is_whole=False,
    ),
    Item(
        "20c", "Comparison of evaluation with development data",
        "How test and outside patients differ from those of training.",
    ),
    Item(
        "21", "Participants and outcomes in each analysis",
        "Counts by part; federation.participants asks hospitals for them.", events_by_class,
    ),
    Item(
        "22", "The full model, so that others can use it", "Address and terms.",
        study.availability, is_whole=False,
    ),
    Item(
        "23a", "Performance with intervals, also of key groups",
        "Scores with intervals.", outcome.performance_by_group,
    ),
    Item(
        "23b", "How performance differs between clusters", "Scores of each hospital.",
        outcome.by_site,
    ),
    Item("24", "Results of updating the model", "Whether it was updated.", model.updated),
]  # fmt: skip
DISCUSSION = [
    Item("25", "Interpretation, fairness too", "In the light of aims and earlier studies."),
    Item(
        "26", "Limitations", "Of sample, labels and generality.", outcome.limits, is_whole=False,
    ),
    Item(
        "27a", "What to do with poor or missing input",
        "In use; medfl-client predict says of a file why it cannot be read.",
    ),
    Item("27b", "What users have to do and to know", "Interaction and expertise."),
    Item("27c", "Next steps of research", "For use and generality."),
]  # fmt: skip

TRIPOD = Checklist(
    "TRIPOD+AI",
    "Collins et al.: TRIPOD+AI statement. BMJ 385:e078378 (2024). "
    "https://doi.org/10.1136/bmj-2023-078378",
    [
        ("Title, abstract, introduction", BEGINNING),
        ("Methods: data, participants, outcome, predictors", DATA),
        ("Methods: analysis", ANALYSIS),
        ("Methods: fairness, output, ethics", REST),
        ("Open science, patients and the public", OPEN),
        ("Results", RESULTS),
        ("Discussion", DISCUSSION),
    ],
)
