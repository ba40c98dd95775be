"""The model card of a finished run, as Markdown and as a page.

Mitchell et al.: Model Cards for Model Reporting. FAT* 2019. https://arxiv.org/abs/1810.03993
Letters stand for sites, so that a card can be published.
"""

from collections.abc import Sequence
from pathlib import Path

from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.metrics.counts import merge
from medfl_common.metrics.estimates import auc_estimate
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked, Event, Finished, RoundMade, ScoredOnTest, site_names
from medfl_common.ui.page import Section, Table, render
from medfl_server.reports.details import detail_sections
from medfl_server.reports.heterogeneity import read_statistics, told_counts
from medfl_server.reports.letters import letters_of
from medfl_server.reports.marks import marks
from medfl_server.reports.model_in_words import limits, output_of, what_it_does
from medfl_server.reports.primary import primary_aim
from medfl_server.reports.scores import (
    ALL,
    SUMMED,
    n_scored_in,
    n_scoring_in,
    once_each,
    part_of,
    score_counts_in,
    score_sites,
    shown_event,
)
from medfl_server.reports.sections.card_scores import dense_scores_section
from medfl_server.reports.sections.card_training import training_section
from medfl_server.reports.sections.numbers import with_interval
from medfl_server.reports.sections.outside import outside_section
from medfl_server.reports.sections.privacy import privacy_section
from medfl_server.reports.sections.shared import main_interval, main_score, who_shared_none
from medfl_server.reports.sections.uncertainty import score_table
from medfl_server.study.run_directory import Study


def write_model_card(study: Study) -> Path | None:
    """Write `model-card.md` and `model-card.html` of a finished study; None if it is unfinished."""
    finished = study.log.read(Finished)
    if not finished:
        return None
    event = finished[-1]
    shown = shown_event(study.log.read(Event)) or event
    letters = letters_of(site_names(study.log.read(Event)))
    sections = [
        *_uses(study.plan),
        _data(study, event, letters),
        training_section(study, event),
        _scores(study.plan, shown, letters),
        *[s for s in detail_sections(shown, event, study.plan) if s.heading in SHOWN],
        *outside_section(study.log.read(Event), study.plan, letters),
        privacy_section(study.plan, study.log.read(Event), letters),
        Section("Limits", limits(event, part_of(shown), score_counts_in(shown))),
        _identity(study, event),
    ]
    title, question = f"Model card: {study.plan.study}", "What is this model, and how good is it?"
    answer = _answer(study, shown, letters) + primary_aim(
        study.log.read(Event), study.plan, letters
    )
    page = render(title, question, answer, sections, __version__)
    write_atomic(study.files.model_card_page, page.encode())
    text = as_markdown(title, answer, sections)
    path = study.files.model_card
    write_atomic(path, text.encode())
    return path


NOT_TOLD = "none or withheld"
MASKS = (
    "The labels are masks of the hospitals: DICOM SEG, RTSTRUCT, NIfTI, NRRD or PNG, as each "
    "holds them, brought to the plan's grid with the images. An image counts for a class that "
    "its mask has. Nobody compared how the hospitals outline."
)
BOXES = (
    "The labels are boxes of the hospitals, as readers drew them or from a position and a "
    "diameter, brought to the plan's grid with the images. An image counts for a class of which "
    "it has a box. Nobody compared how the hospitals draw them."
)
SHOWN = (
    "Do its probabilities mean what they say?",
    "Which threshold?",
    "Is it as good for everyone?",
    "Finding by finding",
    "Class by class",
)


def as_markdown(title: str, answer: str, sections: Sequence[Section]) -> str:
    """Write sections as Markdown; images are on the page only."""
    parts = [f"# {title}", *([answer] if answer else [])]
    for section in sections:
        parts.append(f"## {section.heading}")
        parts += section.texts
        for table in section.tables:
            parts += [f"**{table.caption}**"] if table.caption else []
            head = [_row(table.header), _row(["---"] * len(table.header))]
            parts.append("\n".join(head + [_row(row) for row in table.rows]))
    return "\n\n".join(parts) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _answer(study: Study, event: Asked, letters: dict[str, str]) -> str:
    found, what = score_sites(event).get(ALL), what_it_does(study.plan)
    marked = "".join(f" {mark}" for mark in marks(event, study.plan))
    if found is None:
        return f"{what}{marked}"
    absent = who_shared_none(event, _trained(study), letters)
    name, word = main_score(study.plan)
    if found.values[name] is None:
        return f"{what} On its {found.n} {part_of(event)} images it has no {word}.{absent}{marked}"
    return (
        f"{what} On {found.of_images(part_of(event))} of {_count(n_scoring_in(event))} "
        f"that trained it, its {word} is {found.text(name)} "
        f"({main_interval(event, study.plan)}).{absent}{marked}"
    )


def _count(n: int) -> str:
    return "1 hospital" if n == 1 else f"{n} hospitals"


def _trained(study: Study) -> dict[str, int]:
    """Count the training images of each site, as it told them last, or of the sum of all."""
    found: dict[str, int] = {}
    for event in study.log.read(RoundMade):
        if event.pooled is not None:
            found[SUMMED] = event.pooled.n_images
            continue
        found |= {site: reply.n_images for site, reply in event.sites.items()}
    return found


def _uses(plan: Plan) -> list[Section]:
    images = plan.images
    return [
        Section(
            "Intended use",
            [
                "Research on federated learning and on the question above. Research software, not "
                "a medical device: not for diagnosis, not for decisions about a person.",
                f"Input: {'/'.join(images.modality)} images prepared as the plan says "
                f"({images.size} pixels on a side; see preprocessing.json of an export). Output: "
                f"{output_of(plan)}.",
            ],
        ),
        Section(
            "Not intended",
            [
                "Other modalities, views or body parts; patients unlike those below, children "
                "if there were none among them; images from machines or settings that no site "
                f"had. {_who_says_so(plan)}",
            ],
        ),
    ]


def _who_says_so(plan: Plan) -> str:
    if plan.task.is_dense:
        return "medfl-client predict does not say whether an image looks unusual."
    return "medfl-client predict says whether an image looks unusual, and can be wrong."


def _data(study: Study, event: Finished, letters: dict[str, str]) -> Section:
    reported = read_statistics(study)
    statistics = reported[0] if reported else {}
    counted = n_scored_in(event)
    tested = once_each(study.log.read(Event), ScoredOnTest, event)
    in_test = n_scored_in(tested) if tested else {}
    rows = []
    for name, n in _trained(study).items():
        own = statistics.get(name)
        overlaps = study.plan.task.has_several
        told = [] if own is None else told_counts(own.classes, own.samples, overlaps)
        classes = " / ".join(told) or "withheld"
        parts = (counted, in_test)
        scored = [str(one[name]) if name in one else NOT_TOLD for one in parts]
        patients = "withheld" if own is None else str(own.patients)
        called = letters.get(name, name)
        rows.append([called, str(n), *scored, patients, classes])
    header = [f"{part} images" for part in ("training", "validation", "test")]
    if study.plan.privacy.noise is not None:
        header = [
            "patients, declared",
            *(f"{p} patients, with noise" for p in ("validation", "test")),
        ]
    header = ["site", *header, "patients", "images by class"]
    text = (
        f"Images by class in the order {' / '.join(study.plan.task.classes)}; small counts are not "
        "told. Training, validation and test images belong to different patients. A site too small "
        "for a test part has none. No image left its site."
    )
    labels = {"segmentation": [MASKS], "detection": [BOXES]}.get(study.plan.task.type, [])
    return Section("Data", [text, *labels], tables=[Table(header, rows)])


def _scores(plan: Plan, event: Asked, letters: dict[str, str]) -> Section:
    counted = score_counts_in(event)
    if not n_scored_in(event):
        return Section("Scores", ["No site released scores."])
    if plan.task.is_dense:
        return dense_scores_section(plan, event, letters)
    rows = []
    for name, score_counts in counted.items() if event.pooled is None else ():
        area = with_interval(auc_estimate(score_counts, plan.task.type))
        rows.append([letters[name], str(score_counts.n), *area])
    tables = [score_table(merge([*counted.values()]), plan)]
    if rows:
        tables.append(Table(["site", "images", "AUC", "95 % interval"], rows))
    text = f"On the {part_of(event)} part of each site's patients."
    return Section("Scores", [text], tables=tables)


def _identity(study: Study, event: Finished) -> Section:
    rows = [
        ["study", study.plan.study],
        ["plan, SHA-256", study.plan.hash()],
        ["shared weights, SHA-256", event.sha256],
        ["medfl", __version__],
    ]
    return Section("Which model exactly", tables=[Table(["fact", "value"], rows, is_text=True)])
