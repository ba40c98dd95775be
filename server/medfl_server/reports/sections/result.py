"""The newest scores, site by site, and the confusion counts."""

from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked, Event, Finished, ScoredOnTest
from medfl_common.ui.page import Section, Table
from medfl_server.reports.marks import marks
from medfl_server.reports.scores import ALL, model_round, part_of, score_sites, shown_event
from medfl_server.reports.sections.boxes import BOX_HEADER, box_rows
from medfl_server.reports.sections.confusion import confusion_table, left_unprinted, printed
from medfl_server.reports.sections.masks import HEADER as MASK_HEADER
from medfl_server.reports.sections.masks import mask_rows
from medfl_server.study.run_directory import Study

NONE_SHARED = "none shared"
NO_ANSWER = "no answer"
TOO_FEW = "too few"  # images of a class, or the scores would tell those of such a site
COLUMNS = ("accuracy", "precision", "recall", "f1", "auc")
HEADER = ["site", "images scored", "accuracy", "precision", "recall", "F1", "AUC"]


def final_table(study: Study) -> tuple[list[str], list[list[str]], str]:
    """Give header, rows and title of the newest scores, for a terminal."""
    return table_of(shown_event(study.log.read(Event)), study.plan)


def table_of(event: Asked | None, plan: Plan) -> tuple[list[str], list[list[str]], str]:
    """Give header, rows and title of an event's scores."""
    header = header_of(plan)
    if event is None:
        return header, [], "there is no finished round yet"
    made = model_round(event)
    title = f"model after round {made}"
    if isinstance(event, Finished | ScoredOnTest):
        title = f"final model (of round {made}) on {part_of(event)} patients"
    return header, score_rows(event, plan), ". ".join([title, *marks(event, plan)])


def result_section(plan: Plan, event: Asked | None) -> Section:
    """Show the scores and confusions of an event."""
    if event is None:
        return Section("The result", ["There is none yet."])
    found = score_sites(event)
    header, rows, title = table_of(event, plan)
    tables = [Table(header, rows, total=ALL)]
    if plan.task.is_dense:
        text = f"The {title.removesuffix('.')}. Of several classes: the unweighted mean over them."
        return Section("The result", [text], tables=tables)
    classes = plan.task.classes
    tables += [confusion_table(name, one, classes) for name, one in printed(found).items()]
    positive = plan.task.classes[-1]
    of = (
        f"of the class {positive}, at the threshold {plan.evaluation.threshold:g}"
        if plan.task.type == "binary"
        else "the unweighted mean over the classes or findings"
    )
    text = f"The {title.removesuffix('.')}."
    if found:
        text += (
            f" Precision, recall and F1 are {of}. Below: how many images of each true class (row) "
            "the model puts into each class (column)."
        )
    texts = [text, left_unprinted(found)]
    return Section("The result", [t for t in texts if t], tables=tables)


def header_of(plan: Plan) -> list[str]:
    """Name the columns of `score_rows`."""
    if plan.task.has_boxes:
        return BOX_HEADER
    return MASK_HEADER if plan.task.has_masks else [*HEADER, *plan.evaluation.own_metrics]


def score_rows(event: Asked, plan: Plan) -> list[list[str]]:
    """List the scores of each site, and of all."""
    if plan.task.has_masks:
        return mask_rows(event, NONE_SHARED, NO_ANSWER)
    if plan.task.has_boxes:
        return box_rows(event, NONE_SHARED, NO_ANSWER)
    found, columns = score_sites(event, plan), (*COLUMNS, *plan.evaluation.own_metrics)
    shown = {*printed(found), ALL}
    rows = []
    sites = [] if event.pooled is not None else [*event.sites]  # no scores by site in a sum
    for site in [*sites, ALL]:
        one = found.get(site)
        if one is not None and site not in shown:
            rows.append([site, str(one.n), TOO_FEW, *("" for _ in columns[1:])])
        elif one is not None:
            rows.append([site, str(one.n), *(one.text(name) for name in columns)])
        elif site != ALL:
            rows.append([site, NONE_SHARED, *("" for _ in columns)])
    absent = [[site, NO_ANSWER, *("" for _ in columns)] for site in event.missing]
    at = len(sites)  # the row of all sites stays last
    return rows[:at] + absent + rows[at:]
