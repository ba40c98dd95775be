"""TRIPOD+AI, items 5 to 17: data, analysis, fairness, output, ethics."""

from medfl_server.reports.paper.checklists.item import Item
from medfl_server.reports.paper.words import data, evaluation, model, study

DATA = [
    Item(
        "5a", "Sources of the data, for development and evaluation", "Why these, and for whom they "
        "stand.",
        study.sources, is_whole=False,
    ),
    Item("5b", "Dates of the data", "First and last examination at each hospital."),
    Item(
        "6a", "Setting: number and place of centres", "Places and level of care.",
        study.sources, is_whole=False,
    ),
    Item(
        "6b", "Who could take part", "How hospitals chose patients.", data.eligibility,
        is_whole=False,
    ),
    Item("6c", "Treatments", "Where they matter, and how they were handled."),
    Item(
        "7", "Preparation and checks of the data", "Whether alike for all groups.",
        data.preprocessing, is_whole=False,
    ),
    Item("8a", "The outcome, and how it was assessed", "Definition, time, and reasons."),
    Item("8b", "Who assessed the outcome", "Training and number, where it takes judgement."),
    Item("8c", "Blinding of the assessment", "Whether assessors knew of the images' other facts."),
    Item("9a", "Choice of predictors", "Why images alone.", data.predictors, is_whole=False),
    Item("9b", "Predictors, how and when measured", "Acquisition.", data.subsets, is_whole=False),
    Item("9c", "Who assessed predictors", "Nobody, where only pixels are used; else who."),
    Item(
        "10", "Size of the study", "How it was found before; medfl-sim size tells the interval "
        "that n images give.",
    ),
    Item("11", "Missing data", "Data missing at hospitals.", data.missing),
]  # fmt: skip
ANALYSIS = [
    Item("12a", "How the data were used and divided", "Reasons.", data.split),
    Item(
        "12b", "How predictors were handled", "Choices beyond the plan.", data.preprocessing,
    ),
    Item(
        "12c", "Kind of model, building, tuning, internal validation",
        "How settings were found, and why this model.", model.building, is_whole=False,
    ),
    Item(
        "12d", "Differences between clusters, how handled", "Tests of heterogeneity.",
        evaluation.clusters,
    ),
    Item("12e", "Measures and plots", "Clinical utility.", evaluation.metrics_and_plots),
    Item("12f", "Updating of the model", "Whether it was updated.", model.updated),
    Item(
        "12g", "How predictions were calculated", "The code that was used.", evaluation.predicted,
    ),
]  # fmt: skip
REST = [
    Item("13", "Imbalance of classes", "Why, and recalibration.", model.imbalance),
    Item("14", "Fairness", "What was done for it, and why.", evaluation.fairness, is_whole=False),
    Item("15", "Output and thresholds", "Why this threshold.", evaluation.output, is_whole=False),
    Item(
        "16", "How development and evaluation data differ",
        "Differences in setting, criteria and outcome.", evaluation.apart, is_whole=False,
    ),
    Item("17", "Ethical approval", "Committee, number, and consent or its waiver."),
]  # fmt: skip
