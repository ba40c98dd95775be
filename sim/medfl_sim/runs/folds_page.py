"""folds.html: what the plan reaches where every patient is tested once."""

from pathlib import Path

from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.ui.page import Section, Table, interval_plot, render
from medfl_server.reports.sections.independence import BY_PATIENT
from medfl_server.reports.sections.numbers import interval_in_words, with_interval
from medfl_server.study.run_directory import Study
from medfl_sim.runs.folds import Folds

MEAN, TOGETHER = "mean of the folds", "all images together"


def write_folds(study: Study, found: Folds) -> Path:
    """Write the page into the run directory."""
    page = render(
        f"medfl folds: {study.plan.study}",
        "How good is the plan's model, with every patient tested once?",
        answer(found),
        [_folds(found), _hospitals(found), _how(study, found)],
        __version__,
    )
    path = study.files.folds_page
    write_atomic(path, page.encode())
    return path


def answer(found: Folds) -> str:
    """Say the mean in a sentence, and how far the folds are apart."""
    known = sorted(fold.value for fold in found.each if fold.value is not None)
    if not known:
        return "No fold has test images of both kinds, so no AUC is defined."
    value, _ = with_interval(found.mean)
    return (
        f"Over {len(found.each)} folds by patients the federated model has a mean AUC of {value} "
        f"({interval_in_words(found.mean)}) on the test part, {known[0]:.2f} to "
        f"{known[-1]:.2f} fold by fold; each of the {found.together.n} images is tested once."
    )


def _folds(found: Folds) -> Section:
    estimates = {f"fold {i}": fold for i, fold in enumerate(found.each, start=1)}
    estimates |= {MEAN: found.mean, TOGETHER: found.together}
    bars = {
        name: (e.value, e.low, e.high)
        for name, e in estimates.items()
        if e.value is not None and e.low is not None and e.high is not None
    }
    rows = [[name, str(e.n), *with_interval(e)] for name, e in estimates.items()]
    plot = [interval_plot(bars, "AUC of the federated model; 0.5 is chance", at=0.5)]
    table = Table(["fold", "test images", "AUC", "95 % interval"], rows, total=MEAN)
    return Section("Fold by fold", [], plot if bars else [], [table])


def _hospitals(found: Folds) -> Section:
    rows = [[name, str(e.n), *with_interval(e)] for name, e in found.hospitals.items()]
    text = "All images of a hospital, each scored by the model of the fold that tests its patient."
    header = ["hospital", "images", "AUC", "95 % interval"]
    return Section("At each hospital", [text], tables=[Table(header, rows)])


def _how(study: Study, found: Folds) -> Section:
    k = len(found.each)
    return Section(
        "How it was scored",
        [
            f"Each hospital deals its patients to {k} folds, class by class. {k} studies with the "
            "same plan and initial weights: in each, one fold's patients are the test part; of the "
            f"others {study.plan.evaluation.validation:g} of each class validate (they choose the "
            "model's round) and the rest train. No patient is in two folds.",
            "Interval of a fold and of all images together: DeLong for a binary task, else the "
            "bootstrap; of the mean: 500 draws of the patients within each fold. "
            f"{BY_PATIENT} They treat the folds' models as independent, though these share "
            "training images. All images together: the scores of different models in one order, "
            "though their scales may differ.",
        ],
    )
