"""The study report: one self-contained page from the run log."""

from pathlib import Path

from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.metrics.box_counts import N_BOX_BINS, N_COARSE_BOX_BINS
from medfl_common.plan.plan import Plan
from medfl_common.run.events import (
    Asked,
    DataRead,
    Event,
    Finished,
    ModelScored,
    RoundMade,
    Statistics,
    site_names,
)
from medfl_common.ui.page import Section, render
from medfl_server.reports.details import detail_sections
from medfl_server.reports.heterogeneity_page import write_harmony
from medfl_server.reports.primary import primary_aim
from medfl_server.reports.scores import shown_event
from medfl_server.reports.sections.answer import answer, state
from medfl_server.reports.sections.data import data_section
from medfl_server.reports.sections.flow import flow_sections
from medfl_server.reports.sections.messages import messages_section
from medfl_server.reports.sections.outliers import stand_out_section
from medfl_server.reports.sections.outside import outside_section
from medfl_server.reports.sections.privacy import privacy_section
from medfl_server.reports.sections.result import result_section
from medfl_server.reports.sections.rounds import rounds_section
from medfl_server.reports.sections.run import run_section
from medfl_server.reports.sections.sites import sites_section
from medfl_server.reports.sections.what_left import what_left
from medfl_server.study.run_directory import Study

QUESTION = "What did the hospitals learn together?"


def write_report(study: Study) -> Path:
    """Write `report.html` into the run directory; the report of an unfinished study says so.

    If sites reported statistics, write `harmony.html` beside it.
    """
    events = study.log.read(Event)
    rounds = [event for event in events if isinstance(event, RoundMade)]
    finished = next((event for event in events if isinstance(event, Finished)), None)
    scored: list[Asked] = [*rounds, *(e for e in events if isinstance(e, ModelScored | Finished))]
    shown = shown_event(events)
    asked = [event for event in events if isinstance(event, Asked)]
    names = site_names(events)
    sections = [
        sites_section(study, events, scored),
        *(data_section(event) for event in events if isinstance(event, DataRead)),
        *flow_sections(events, study.plan),
        rounds_section(names, rounds, scored, study.plan),
        result_section(study.plan, shown),
        *(detail_sections(shown, scored[-1], study.plan) if shown else []),
        *outside_section(events, study.plan),
        stand_out_section(asked, names),
        what_left(asked),
        privacy_section(study.plan, events),
        messages_section(study.plan, rounds, shown),
        run_section(study, events, finished),
        Section("The plan", code=study.files.plan_file.read_text(encoding="utf-8")),
        _limits(study.plan),
    ]
    title = f"medfl study report: {study.plan.study}"
    first = answer(rounds, shown, finished, study.plan) + state(study, events, rounds)
    first += primary_aim(events, study.plan)
    page = render(title, QUESTION, first, sections, __version__)
    path = study.files.report
    write_atomic(path, page.encode())
    if any(isinstance(event, Statistics) for event in events):
        write_harmony(study)
    return path


def _limits(plan: Plan) -> Section:
    bins = {
        "segmentation": "The scores come from the hospitals' sums and histograms over images, not "
        "from masks: 50 bins for the final model, 10 in the rounds, and no bin with fewer images "
        "than the hospital's smallest cell.",
        "detection": "The scores come from the hospitals' counts of boxes by confidence, not from "
        f"boxes: {N_BOX_BINS} bins for the final model, {N_COARSE_BOX_BINS} in the rounds, none "
        "with boxes of fewer images than the hospital's smallest cell.",
    }.get(
        plan.task.type,
        "The scores come from the hospitals' histograms, not from predictions: 128 bins for "
        "the final model, 32 in the rounds, and no bin with fewer images than the hospital's "
        "smallest cell. Scores in one bin count as ties.",
    )
    texts = [
        "Research software, not a medical device: nothing here is fit for diagnosis.",
        bins,
        "With few validation patients a score can move by a tenth by chance alone; compare n "
        "before you compare sites.",
    ]
    return Section("Limits", texts)
