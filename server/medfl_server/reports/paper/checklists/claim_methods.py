"""CLAIM 2024, items 7 to 34: data, reference standard, model, training, evaluation."""

from medfl_server.reports.paper.checklists.item import Item
from medfl_server.reports.paper.words import data, evaluation, model, study

DATA = [
    Item(
        "7", "Where the data come from",
        "The hospitals' names, departments and years, and why these.",
        study.sources, is_whole=False,
    ),
    Item(
        "8", "Criteria of inclusion and exclusion",
        "How each hospital chose the patients whose images it put there: place, dates, symptoms.",
        data.eligibility, is_whole=False,
    ),
    Item(
        "9", "Steps from stored data to the model's input",
        "What hospitals did to images before.", data.preprocessing,
    ),
    Item("10", "Which part of the data was used", "Sampling at a hospital.", data.subsets),
    Item(
        "11", "How patients were made unidentifiable", "Pseudonymisation before export.",
        data.deidentification, is_whole=False,
    ),
    Item("12", "How missing data were handled", "Data missing at hospitals.", data.missing),
    Item(
        "13", "How images were acquired",
        "Scanners, protocols and settings; federation.statistics asks hospitals for sizes and "
        "spacings.",
        data.acquisition, is_whole=False,
    ),
]  # fmt: skip
REFERENCE = [
    Item(
        "14", "How the reference standard was obtained",
        "What the labels come from (reports, readers, pathology), so that others can repeat it.",
    ),
    Item(
        "15", "Why this reference standard",
        "Which others there are, and why this one is the best known.",
    ),
    Item(
        "16", "Who annotated", "Number, training and instructions of the annotators, and the tool.",
    ),
    Item(
        "17", "How the test data were annotated",
        "Whether the test part was labelled as the others were; medfl takes its labels from the "
        "same list.",
    ),
    Item(
        "18", "How readers varied, between and within",
        "Agreement of annotators, and what was done where they disagreed.",
    ),
    Item(
        "19", "How data were assigned to parts", "Whether a hospital gave the parts itself.",
        data.split,
    ),
    Item(
        "20", "The level at which parts are disjoint", "Patients seen at several hospitals.",
        data.disjoint,
    ),
    Item(
        "21", "The intended size of the test set, and how it was determined",
        "The calculation made before the study; medfl-sim size tells the interval that n images "
        "give.",
    ),
]  # fmt: skip
MODEL = [
    Item("22", "The model in detail", "A drawing of the network.", model.network),
    Item("23", "Software with versions", "Machines and drivers.", model.software),
    Item("24", "Initial weights", "Where a file of weights comes from.", model.start),
    Item("25", "Training in detail", "How settings were found.", model.training),
    Item("26", "How the final model was chosen", "Why this rule.", model.choice),
    Item("27", "Ensembles", "Models that were joined later.", model.ensemble),
]
EVALUATION = [
    Item("28", "Measures of performance", "Why these measures fit the use.", evaluation.metrics),
    Item(
        "29", "Measures of uncertainty and significance", "Tests made elsewhere.",
        evaluation.uncertainty,
    ),
    Item(
        "30", "Analyses of robustness or sensitivity",
        "Other assumptions tried; evaluation.subgroups, hospitals that only score, and medfl-sim's "
        "--leave-one-out add some.",
        evaluation.robustness,
    ),
    Item(
        "31", "Methods to explain the model",
        "Whether hospitals looked with medfl-client explain (Grad-CAM; whole images only), how "
        "often, and what they saw.",
    ),
    Item(
        "32", "Evaluation on internal data", "Scores with intervals of patients held out.",
        evaluation.internal,
    ),
    Item(
        "33", "Testing on external data", "Hospitals outside, and how their patients differ.",
        evaluation.external,
    ),
    Item("34", "Registration of a clinical trial", "Register and number, or that it is none."),
]  # fmt: skip
