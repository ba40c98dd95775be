"""`medfl-server paper`: a folder with what a paper on a study needs.

What the run knows is filled in; what it does not is marked, and never made up. A study that is not
finished gets its protocol and its checklists, marked as a draft.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.run.paper_folder import PaperFolder
from medfl_common.ui.page import Section
from medfl_common.ui.spreadsheet import csv_text
from medfl_common.visible import visible
from medfl_server.reports.model_card import as_markdown
from medfl_server.reports.paper.availability import availability_sections
from medfl_server.reports.paper.checklists.annex_iv import ANNEX_IV
from medfl_server.reports.paper.checklists.claim import CLAIM
from medfl_server.reports.paper.checklists.item import Filled, fill, sections_of
from medfl_server.reports.paper.checklists.tripod import TRIPOD
from medfl_server.reports.paper.citation import citation
from medfl_server.reports.paper.facts import Facts, facts_of
from medfl_server.reports.paper.figures.all import FIGURE_NAMES, drawings
from medfl_server.reports.paper.figures.drawing import ENDINGS, Drawing, write_drawing
from medfl_server.reports.paper.participants import participant_sections, table_one_rows
from medfl_server.reports.paper.protocol import protocol_sections
from medfl_server.reports.paper.readme import readme_sections
from medfl_server.reports.paper.references import bibtex
from medfl_server.reports.paper.results import result_sections
from medfl_server.reports.paper.score_rows import score_rows
from medfl_server.reports.paper.words import outcome, study
from medfl_server.study.run_directory import Study

READ = "Read each item: what is filled is true of this run, and need not be all that a reader asks."
DRAFT = (
    "DRAFT: the study is not finished ({made} of {planned} rounds made). What follows from its "
    "end is for you to write, or to be filled when this is written again."
)


@dataclass(frozen=True)
class Paper:
    """What was written: where its README is, and how much of each checklist the run fills."""

    readme: Path
    checklists: Sequence[Filled]


def write_paper(study_: Study, out: Path | None = None, has_names: bool = False) -> Paper:
    """Write the folder anew.

    Args:
        study_: The study, finished or not.
        out: The folder; None: `paper` in the study's directory.
        has_names: Call hospitals by their names, not by letters.
    """
    facts = facts_of(study_, has_names)
    folder = PaperFolder(out or study_.files.paper)
    _check_folder(folder)
    folder.path.mkdir(parents=True, exist_ok=True)
    figures = drawings(facts)
    _clear_figures(folder)
    for drawing in figures:
        write_drawing(drawing, folder)
    checklists = [fill(one, facts) for one in (CLAIM, TRIPOD, ANNEX_IV)]
    _write_texts(facts, folder, figures, checklists)
    write_atomic(folder.numbers, csv_text(score_rows(facts)).encode())
    write_atomic(folder.table_one, csv_text(table_one_rows(facts)).encode())
    write_atomic(folder.citation, citation(facts).encode())
    write_atomic(folder.references, bibtex(facts).encode())
    write_atomic(folder.plan_file, _plan_file(study_, has_names))
    return Paper(folder.readme, checklists)


def _plan_file(study_: Study, has_names: bool) -> bytes:
    """Give the plan as it is; where no hospital is named by its values, as a comment may."""
    if has_names:
        return study_.files.plan_file.read_bytes()
    values = study_.plan.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode()


def _write_texts(
    facts: Facts,
    folder: PaperFolder,
    figures: Sequence[Drawing],
    checklists: Sequence[Filled],
) -> None:
    texts: list[tuple[Path, str, str, list[Section]]] = [
        (folder.readme, "Paper kit", "", readme_sections(facts, folder, checklists, figures)),
        (folder.protocol, "Protocol", "", protocol_sections(facts)),
        (folder.participants, "Participants", "", participant_sections(facts)),
        (folder.results, "Results", _first(facts), result_sections(facts)),
        (folder.availability, "Data availability", "", availability_sections(facts)),
    ]
    paths = (folder.claim, folder.tripod, folder.annex_iv)
    for path, filled in zip(paths, checklists, strict=True):
        texts.append((path, filled.checklist.title, _head(filled), sections_of(filled)))
    for path, title, first, sections in texts:
        answer = " ".join(text for text in (_draft(facts), first) if text)
        text = as_markdown(f"{title}: {facts.plan.study}", answer, sections)
        write_atomic(path, visible(text, keep="\n\t").encode())


def _head(filled: Filled) -> str:
    return f"{filled.in_words} {READ} Source: {filled.checklist.source}"


def _first(facts: Facts) -> str:
    return f"{outcome.performance(facts)}{study.primary_result(facts)}".strip()


def _draft(facts: Facts) -> str:
    if facts.finished is not None:
        return ""
    return DRAFT.format(made=len(facts.rounds), planned=facts.plan.federation.rounds)


def _check_folder(folder: PaperFolder) -> None:
    """Refuse a folder with files of somebody else: a README of theirs would be gone."""
    if folder.path.exists() and not folder.claim.exists() and any(folder.path.iterdir()):
        raise ConfigError(
            f"{folder.path} has other files",
            todo="name a new or an empty folder, or one that this command wrote before",
            data="nothing was written",
        )


def _clear_figures(folder: PaperFolder) -> None:
    """Take away figures of an earlier time: what is in the folder is of this log."""
    for name in FIGURE_NAMES:
        for ending in (*ENDINGS, "csv"):
            for path in folder.figure_folder().glob(f"{name}.{ending}"):
                path.unlink()
