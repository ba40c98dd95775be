"""Annex IV of the AI Act: what the technical documentation of a high-risk system contains.

Regulation (EU) 2024/1689, Annex IV, referred to in Article 11(1). Whether it holds for a study's
model, and who its provider is, is not for a run to say. What a point asks is said in medfl's words.
"""

from medfl_server.reports.dossier.line import ALWAYS
from medfl_server.reports.paper.checklists.item import Checklist, Item
from medfl_server.reports.paper.words import data, evaluation, model, outcome, study

GENERAL = [
    Item(
        "1(a)", "Intended purpose, provider, version and its relation to earlier ones",
        "Purpose and provider.", study.version, is_whole=False,
    ),
    Item("1(b)", "Hardware, software and other AI systems that it works with", "Which, and how."),
    Item(
        "1(c)", "Versions of software, and what updates ask", "What updates ask.",
        model.software, is_whole=False,
    ),
    Item("1(d)", "Forms in which it is put on the market or into service", "Package, API, device."),
    Item("1(e)", "Hardware on which it is meant to run", "Processor or GPU, and memory."),
    Item("1(f)", "Pictures of a product of which it is a part", "Where it is a part of one."),
    Item("1(g)", "The deployer's user interface", "A basic description."),
    Item("1(h)", "Instructions for use", "For the deployer."),
]  # fmt: skip
DEVELOPMENT = [
    Item(
        "2(a)", "Methods and steps of development, with pre-trained systems of others",
        "Choices and reasons.", model.building, is_whole=False,
    ),
    Item(
        "2(b)", "Design: logic, choices, what it optimises, expected output, trade-offs",
        "Reasons, assumptions, for whom, and trade-offs.", model.design, is_whole=False,
    ),
    Item(
        "2(c)", "Architecture, and the computing resources used",
        "How parts of the software build on each other.", model.resources, is_whole=False,
    ),
    Item(
        "2(d)", "Data: training method, provenance, selection, labels, cleaning",
        "Provenance and labelling.", data.sheet, is_whole=False,
    ),
    Item("2(e)", "Human oversight that is needed", "By Article 14, with aids to interpretation."),
    Item("2(f)", "Changes determined in advance", "Which, and how conformity is kept."),
    Item(
        "2(g)", "Validation and testing: data, measures, logs and signed reports",
        "Dates and signatures; impacts on groups.", evaluation.testing, is_whole=False,
    ),
    Item(
        "2(h)", "Cybersecurity", "Of the system in use.", study.safety, ALWAYS, is_whole=False,
    ),
]  # fmt: skip
OTHERS = [
    Item(
        "3", "Monitoring, functioning, control: capabilities, limits, accuracy by group, risks",
        "Foreseeable harm, oversight in use, and what input must be like.",
        outcome.capabilities, is_whole=False,
    ),
    Item(
        "4", "Why the measures of performance fit", "Why these measures fit the purpose.",
        evaluation.metrics, is_whole=False,
    ),
    Item("5", "Risk management by Article 9", "The system and its documents."),
    Item("6", "Changes through the lifecycle", "Changes after the study.", study.changes,
         is_whole=False),
    Item("7", "Harmonised standards applied, or other solutions", "Which, in full or in part."),
    Item("8", "EU declaration of conformity", "A copy (Article 47)."),
    Item("9", "Evaluation after the system is in use", "By Article 72, with its plan."),
]  # fmt: skip

ANNEX_IV = Checklist(
    "AI Act, Annex IV",
    "Regulation (EU) 2024/1689, Annex IV, referred to in Article 11(1).",
    [
        ("1. General description", GENERAL),
        ("2. Elements and development", DEVELOPMENT),
        ("3 to 9", OTHERS),
    ],
)
