"""The newest scores, site by site, and the confusion counts."""

from medfl_common.run.events import Asked, Finished, RoundMade
from medfl_common.ui.page import Section, Table
from medfl_server.reports.marks import marks
from medfl_server.reports.scores import ALL, model_round, score_sites
from medfl_server.reports.sections.confusion import confusion_table, left_unprinted, printed
from medfl_server.study.run_directory import Study

NONE_SHARED = "none shared"
NO_ANSWER = "no answer"
TOO_FEW = "too few"  # images of a class, or the scores would tell those of such a site
COLUMNS = ("accuracy", "precision", "recall", "f1", "auc")
HEADER = ["site", "images scored", "accuracy", "precision", "recall", "F1", "AUC"]


def final_table(study: Study) -> tuple[list[str], list[list[str]], str]:
    """Give header, rows and title of the newest scores, for a terminal."""
    events = [e for e in study.log.read(Asked) if isinstance(e, RoundMade | Finished)]
    if not events:
        return HEADER, [], "there is no finished round yet"
    finished = isinstance(events[-1], Finished)
    made = model_round(events[-1])
    title = f"model after round {made}"
    if finished:
        title = f"final model (of round {made}) on validation patients"
    return HEADER, _score_rows(events[-1]), ". ".join([title, *marks(events[-1], study.plan)])


def result_section(study: Study, scored: list[Asked]) -> Section:
    """Show the newest scores and confusions."""
    if not scored:
        return Section("The result", ["There is none yet."])
    found = score_sites(scored[-1])
    _, rows, title = final_table(study)
    tables = [Table(HEADER, rows, total=ALL)]
    classes = study.plan.task.classes
    tables += [confusion_table(name, one, classes) for name, one in printed(found).items()]
    positive = study.plan.task.classes[-1]
    of = (
        f"of the class {positive}, at the threshold {study.plan.evaluation.threshold:g}"
        if study.plan.task.type == "binary"
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


def _score_rows(event: Asked) -> list[list[str]]:
    found = score_sites(event)
    shown = {*printed(found), ALL}
    rows = []
    for site in [*event.sites, ALL]:
        one = found.get(site)
        if one is not None and site not in shown:
            rows.append([site, str(one.n), TOO_FEW, *("" for _ in COLUMNS[1:])])
        elif one is not None:
            rows.append([site, str(one.n), *(one.text(name) for name in COLUMNS)])
        elif site != ALL:
            rows.append([site, NONE_SHARED, *("" for _ in COLUMNS)])
    absent = [[site, NO_ANSWER, *("" for _ in COLUMNS)] for site in event.missing]
    at = len(event.sites)  # the row of all sites stays last
    return rows[:at] + absent + rows[at:]
