"""CLAIM, the checklist for artificial intelligence in medical imaging, its 2024 update.

Tejani, Klontzas, Gatti, Mongan, Moy, Park, Kahn: Checklist for Artificial Intelligence in Medical
Imaging (CLAIM): 2024 Update. Radiology: Artificial Intelligence 6(4), e240300 (2024).
https://doi.org/10.1148/ryai.240300
What an item asks is said in medfl's words; the journal's wording counts.
"""

from medfl_server.reports.paper.checklists.claim_methods import DATA, EVALUATION, MODEL, REFERENCE
from medfl_server.reports.paper.checklists.item import Checklist, Item
from medfl_server.reports.paper.participants import characteristics, has_flow, numbers
from medfl_server.reports.paper.words import outcome, study

BEGINNING = [
    Item(
        "1", "Title or abstract name the study as one of AI, and the kind of AI",
        "The final title.", study.title, is_whole=False,
    ),
    Item(
        "2", "Abstract: design, methods, results, conclusions",
        "Background, the conclusions, and what the journal's form asks.",
        study.abstract, is_whole=False,
    ),
    Item(
        "3", "Background, with the model's intended use and its place in care",
        "The clinical problem, what is known, and who would use the model for what.",
    ),
    Item(
        "4", "Aims, objectives and hypotheses",
        "Aims and hypotheses, as they were before the results; a plan names its own in "
        "evaluation.primary.",
        study.aim, is_whole=False,
    ),
]  # fmt: skip
DESIGN = [
    Item(
        "5", "Prospective or retrospective",
        "Whether images were acquired for this study or before it, at each hospital.",
    ),
    Item("6", "Goal of the study", "Whether it aims at a trial or at use.", study.goal),
]  # fmt: skip
RESULTS = [
    Item(
        "35", "How many patients and images were included and excluded, with a flow diagram",
        "Numbers by hospital; federation.participants asks hospitals for the flow by reason.",
        numbers, whole_if=has_flow,
    ),
    Item(
        "36", "Demographic and clinical characteristics of each part",
        "Age, sex and clinical facts of each part; federation.participants asks for the former.",
        characteristics, is_whole=False,
    ),
    Item(
        "37", "Performance on every part, with its uncertainty",
        "Scores with intervals.", outcome.performance,
    ),
    Item(
        "38", "Estimates of diagnostic performance and their precision",
        "Sensitivity, specificity and the like with intervals.", outcome.estimates_in_words,
    ),
    Item(
        "39", "Analysis of wrong results",
        "What the wrong images have in common: at each hospital medfl-client explain shows them, "
        "of masks and boxes look --worst.",
        outcome.failures, is_whole=False,
    ),
]  # fmt: skip
DISCUSSION = [
    Item(
        "40", "Limitations", "Selection of hospitals and patients, labels, and other biases.",
        outcome.limits, is_whole=False,
    ),
    Item(
        "41", "What it means for practice, and how it would be used",
        "Intended use, clinical role, and what would have to be shown first.",
    ),
]  # fmt: skip
OTHER = [
    Item(
        "42", "Where the full protocol and further technical details are",
        "Where these files are deposited.", study.protocol, is_whole=False,
    ),
    Item(
        "43", "What of software, model and data others can get",
        "Addresses of code and model, and terms.", study.availability, is_whole=False,
    ),
    Item("44", "Funding and other support, and the funders' part", "Grants and the funders' role."),
]  # fmt: skip

CLAIM = Checklist(
    "CLAIM 2024",
    "Tejani et al.: Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update. "
    "Radiology: Artificial Intelligence 6(4), e240300. https://doi.org/10.1148/ryai.240300",
    [
        ("Title, abstract, introduction", BEGINNING),
        ("Methods: design", DESIGN),
        ("Methods: data", DATA),
        ("Methods: reference standard, parts, sample size", REFERENCE),
        ("Methods: model and training", MODEL),
        ("Methods: evaluation", EVALUATION),
        ("Results", RESULTS),
        ("Discussion", DISCUSSION),
        ("Other information", OTHER),
    ],
)
