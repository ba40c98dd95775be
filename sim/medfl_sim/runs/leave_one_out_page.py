"""leave-one-out.html: what a federation reaches at a hospital that took no part in it."""

from pathlib import Path

from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.metrics.estimates import Estimate
from medfl_common.ui.page import Section, Table, interval_plot, render
from medfl_server.reports.sections.independence import BY_PATIENT
from medfl_server.reports.sections.numbers import interval_in_words, number, with_interval
from medfl_server.study.run_directory import Study
from medfl_sim.runs.compare_page import in_words
from medfl_sim.runs.leave_one_out import LeaveOneOut, LeftOut

ALL = "all hospitals"
EVERY = [
    "hospital left out", "training images elsewhere", "its images, all patients",
    "AUC of the others' federation", "95 % interval",
]  # fmt: skip


def write_leave_one_out(study: Study, found: LeaveOneOut) -> Path:
    """Write the page into the run directory."""
    page = render(
        f"medfl leave one out: {study.plan.study}",
        "How good is the model at a hospital that took no part?",
        answer(found),
        [_outside(found), _against_whole(found), _inferred(found), _how(study, found)],
        __version__,
    )
    path = study.files.left_out_page
    write_atomic(path, page.encode())
    return path


def answer(found: LeaveOneOut) -> str:
    """Say in a sentence what the models reach at the hospitals they lack."""
    known = sorted(
        (row.outside.value, row.name, row.outside)
        for row in found.hospitals
        if row.outside.value is not None
    )
    if not known:
        return "No hospital has images of both kinds, so no AUC is defined."
    value, _ = with_interval(found.together)
    interval = interval_in_words(found.together)
    (_, lowest, low), (_, highest, high) = known[0], known[-1]
    return (
        f"At hospitals that took no part, the federation of the others reaches an AUC of {value} "
        f"({interval}, {found.together.n} images of all patients of "
        f"{len(found.hospitals)} hospitals left out in turn): from {_text(low)} at {lowest} to "
        f"{_text(high)} at {highest}."
    )


def _outside(found: LeaveOneOut) -> Section:
    rows = [
        [row.name, str(row.n_trained), str(row.outside.n), *with_interval(row.outside)]
        for row in found.hospitals
    ]
    rows.append([ALL, "", str(found.together.n), *with_interval(found.together)])
    bars = {
        f"{name} (n = {e.n})": (e.value, e.low, e.high)
        for name, e in [
            *((row.name, row.outside) for row in found.hospitals),
            (ALL, found.together),
        ]
        if e.value is not None and e.low is not None and e.high is not None
    }
    plot = [interval_plot(bars, "AUC at the hospital left out; 0.5 is chance", at=0.5)]
    text = (
        "Each hospital's images are scored by a federation of the others, which has seen none of "
        "its patients: so all of them are scored, those of its training part too."
    )
    return Section(
        "At each hospital left out", [text], plot if bars else [], [Table(EVERY, rows, total=ALL)]
    )


def _against_whole(found: LeaveOneOut) -> Section:
    header = [
        "hospital", f"{found.part} images", "AUC without it", "95 % interval",
        "AUC of all together", "95 % interval", "together - without", "95 % interval",
    ]  # fmt: skip
    text = (
        f"The same {found.part} images of each hospital, on which neither model trains: scored by "
        "the federation without it, and by the federation of all."
    )
    if found.part == "validation":
        text += (
            " No hospital is large enough for a test part. The validation images of a hospital "
            "take part in the choice of the whole federation's round, temperature and thresholds."
        )
    rows = [_cells(row) for row in found.hospitals]
    return Section(
        "Against the federation that it belongs to", [text], tables=[Table(header, rows)]
    )


def _cells(row: LeftOut) -> list[str]:
    n = row.whole_part.n
    both = [*with_interval(row.outside_part), *with_interval(row.whole_part)]
    return [row.name, str(n), *both, *in_words(row.gain, n)]


def _inferred(found: LeaveOneOut) -> Section:
    """Show how well a reader of the whole federation's model tells whose images took part."""
    rows = []
    for row in found.hospitals:
        one = row.inferred
        if one is not None:
            area = number(one.auc, min(one.n_trained, one.n_held_out))
            between = "n/a" if one.interval is None else "{:.2f} to {:.2f}".format(*one.interval)
            rows.append([row.name, str(one.n_trained), str(one.n_held_out), area, between])
    header = [
        "hospital",
        "its training images",
        "other images",
        "AUC of the attack",
        "95 % interval",
    ]
    text = (
        "Somebody has the model of all and, to compare, one without this hospital, and asks of an "
        "image how much better the first knows it: on the hospital's training images, and on "
        "images of the others that nobody trained on. 0.50 is guessing. The model may know the "
        "hospital's scanner and patients rather than single images; intervals take images for "
        "independent. It is a weak attack, and that it fails says little."
    )
    return Section(
        "Can a reader tell that a hospital took part?", [text], tables=[Table(header, rows)]
    )


def _how(study: Study, found: LeaveOneOut) -> Section:
    n = len(found.hospitals)
    return Section(
        "How it was scored",
        [
            f"{n} federations of {n - 1} hospitals each: the same plan, initial weights and split "
            f"as the whole federation, {study.plan.federation.rounds} rounds at most. What a plan "
            "asks for in hospitals (min_sites, sites_per_round) is lowered where one is missing.",
            "Intervals of an AUC: DeLong for a binary task, else the bootstrap; of a difference: "
            f"500 draws of the patients, the same for both models. {BY_PATIENT} The last row joins "
            "the scores of different models, whose scales may differ.",
        ],
    )


def _text(estimate: Estimate) -> str:
    value, interval = with_interval(estimate)
    return f"{value} ({interval})"
