"""The questions on labels: in which columns they stand, and what their words mean."""

from collections import Counter
from typing import Any

from medfl_client.config.site_template import EXAMPLE
from medfl_client.first_look import columns
from medfl_client.first_look.classes import legal_words, map_words, refuse_many
from medfl_client.first_look.sheet import Sheet, alike
from medfl_client.first_look.subject import Subject
from medfl_common.errors import ConfigError
from medfl_common.plan.task import Task
from medfl_common.ui.asking import Asking

QUESTION = "Column with the label"


def ask_findings(
    sheet: Sheet, site: Subject, join_column: str, given: str, asking: Asking
) -> dict[str, Any]:
    """Ask for the label's column, or the findings' columns, and for words that are no class."""
    plan, known = site.plan, site.known
    has_columns = known is not None and known.labels_from == "csv" and not known.label_column
    if plan is None and has_columns and not given:
        asking.screen.say("each finding has a column, as site.yaml says; a plan names them")
        return {"label_column": ""}
    if plan is not None and plan.task.type == "multilabel":
        in_columns = columns.finding_columns(sheet, plan.task.classes)
        if len(in_columns) == len(plan.task.classes) and not given:
            return _in_columns(sheet, in_columns, plan.task, site, asking)
    found = _ask_label(sheet, site, join_column, given, asking)
    name = found["label_column"]
    if plan is None or name not in sheet.columns:
        return found
    words, task = sheet.words[name], plan.task
    if task.type == "multilabel":
        found |= _separated(words, task, name, asking)
        parts = words if not found["separator"] else _parts(words, found["separator"])
        values = map_words(parts, task, site, f"column {name}", asking, in_cell=True)
    else:
        values = map_words(words, task, site, f"column {name}", asking)
    found |= {"values": values} if values else {}
    if plan.images.sample == "candidate" and (known is None or not known.position_columns):
        found |= _positions(sheet, asking)
    return found


def _ask_label(
    sheet: Sheet, site: Subject, join_column: str, given: str, asking: Asking
) -> dict[str, Any]:
    plan, known = site.plan, site.known
    classes = plan.task.classes if plan is not None else []
    likely = columns.label_columns(sheet, classes, join_column)
    if known is not None and known.label_column in sheet.columns:
        reason = f"site.yaml says {known.label_column}"
        likely = [(known.label_column, reason), *likely] if not classes else likely
    name, why = likely[0] if likely else (EXAMPLE.label_column, "")
    if name in sheet.columns:
        why = f"{why}: {sheet.shown(name)}"

    def read(text: str) -> str:
        if sheet.columns and text not in sheet.columns:
            raise ConfigError(
                f"there is no column {text!r}; there are: {', '.join(sheet.columns)}",
                todo="name one of them (with --yes: --label-column)",
            )
        if plan is not None and plan.task.type != "multilabel" and sheet.columns:
            legal = {alike(word) for word in legal_words(plan.task)}
            words = sheet.words[text]
            others = [w for w in words if alike(w) not in legal and w not in site.values]
            refuse_many([word for word in others if word], plan.task, f"column {text}")
        return text

    is_shown = bool(sheet.columns)
    said = read(given) if given else asking.ask(QUESTION, name, why if is_shown else "", read)
    return {"label_column": said}


def _in_columns(
    sheet: Sheet, named: dict[str, str], task: Task, site: Subject, asking: Asking
) -> dict[str, Any]:
    """Take a column for each finding; their words are 1, 0, or unknown."""
    asking.screen.say(f"each finding has a column: {', '.join(named.values())}")
    others = {finding: column for finding, column in named.items() if finding != column}
    found: dict[str, Any] = {"label_column": ""}
    found |= {"label_columns": others} if others else {}
    words: Counter[str] = Counter()
    for column in named.values():
        words += sheet.words[column]
    values = map_words(words, task, site, "the findings' columns", asking)
    return found | ({"values": values} if values else {})


def _separated(words: Counter[str], task: Task, column: str, asking: Asking) -> dict[str, Any]:
    sign = columns.separator_in(words, task.classes)
    why = f"the plan's findings stand in one cell of {column}"
    return {"separator": asking.ask("What stands between findings in one cell", sign or "|", why)}


def _parts(words: Counter[str], separator: str) -> Counter[str]:
    parts: Counter[str] = Counter()
    for cell, n in words.items():
        for word in cell.split(separator):
            parts[word.strip()] += n
    return parts


def _positions(sheet: Sheet, asking: Asking) -> dict[str, Any]:
    named = ", ".join(columns.position_columns(sheet))
    why = "the plan's samples are candidates: places in mm"
    said: str = asking.ask("Columns of x, y and z, separated by commas", named, why)
    return {"position_columns": [name.strip() for name in said.split(",") if name.strip()]}
