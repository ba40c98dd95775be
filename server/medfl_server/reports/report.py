"""The study report: one self-contained page from the run log."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from medfl_common import __version__
from medfl_common.files import write_atomic
from medfl_common.run.log import Event
from medfl_common.ui.page import Section, Table, line_plot, render
from medfl_server.reports.heterogeneity_page import write_harmony
from medfl_server.reports.messages import messages_section
from medfl_server.reports.outliers import stand_out_section
from medfl_server.reports.results import detail_sections
from medfl_server.reports.run_facts import facts_of_run, mapping, sites_of, what_left
from medfl_server.reports.scores import ALL, Scored, curves, model_round, score_sites
from medfl_server.study.run_directory import Study

QUESTION = "What did the hospitals learn together?"
NONE_SHARED = "none shared"
NO_ANSWER = "no answer"
ASKED = ("statistics", "round", "round_without_quorum", "scored", "finished")  # hold sites' replies
COLUMNS = ("accuracy", "precision", "recall", "f1", "auc")
HEADER = ["site", "images scored", "accuracy", "precision", "recall", "F1", "AUC"]


def write_report(study: Study) -> Path:
    """Write `report.html` into the run directory; an unfinished study gets an honest one too.

    Where sites told of their data, `harmony.html` is written beside it.
    """
    events = study.log.events()
    rounds = [event for event in events if event["event"] == "round"]
    finished = next((event for event in events if event["event"] == "finished"), None)
    scored = rounds + [event for event in events if event["event"] in ("scored", "finished")]
    asked = [event for event in events if event["event"] in ASKED]
    sections = [
        _who(study, events, scored),
        _curves(_names(events), rounds, scored),
        _results(study, scored),
        *(detail_sections(scored[-1], study.plan) if scored else []),
        stand_out_section(asked, _names(events)),
        what_left(asked),
        messages_section(study.plan, rounds, scored),
        facts_of_run(study, events, finished),
        Section("The plan", code=(study.folder / "plan.yaml").read_text(encoding="utf-8")),
        _limits(),
    ]
    title = f"medfl study report: {study.plan.study}"
    answer = _answer(rounds, finished) + _state(study, events, rounds)
    page = render(title, QUESTION, answer, sections, __version__)
    path = study.folder / "report.html"
    write_atomic(path, page.encode())
    if any(event["event"] == "statistics" for event in events):
        write_harmony(study)
    return path


def final_table(study: Study) -> tuple[list[str], list[list[str]], str]:
    """Give header, rows and title of the newest scores, for a terminal."""
    events = [event for event in study.log.events() if event["event"] in ("round", "finished")]
    if not events:
        return HEADER, [], "no round has been made yet"
    finished = events[-1]["event"] == "finished"
    made = model_round(events[-1])
    title = f"model after round {made}"
    if finished:
        title = f"final model (of round {made}) on validation patients"
    return HEADER, _score_rows(events[-1]), title


def _answer(rounds: list[Event], finished: Event | None) -> str:
    if not rounds:
        return "No round has been made yet; nothing was learnt so far."
    sites = {site for event in rounds for site in sites_of(event)}
    made = f"After {_count(len(rounds), 'round')} over {_count(len(sites), 'hospital')}"
    last = score_sites(finished or rounds[-1]).get(ALL)
    if last is None:
        return (
            f"{made} there is a common model; its scores were kept back by the hospitals' "
            "policies, so this page cannot say how good it is."
        )
    if finished is None and len(rounds) == 1:
        return (
            f"{made} the common model has not been scored yet; before training it had AUC "
            f"{_shown(last.values['auc'])} on {last.n} validation images."
        )
    first = score_sites(rounds[0]).get(ALL)
    on = f" on {first.n} images" if first and first.n != last.n else ""
    started = f"; before training it was {_shown(first.values['auc'])}{on}" if first else ""
    which = f"the model of round {model_round(finished or rounds[-1])}"
    return (
        f"{made} {which} has AUC {_shown(last.values['auc'])} (loss {last.loss:.3f}) on {last.n} "
        f"validation images of patients whom it was not trained on{started}."
        f"{_chosen(finished)}"
    )


def _chosen(finished: Event | None) -> str:
    """Say that the best round was chosen, where it was not the last."""
    if finished is None or finished["round"] == finished.get("last", finished["round"]):
        return ""
    return (
        f" It was the best of {finished['last']} rounds on these same images, which makes its "
        "scores look a little too good."
    )


def _state(study: Study, events: list[Event], rounds: list[Event]) -> str:
    """Say what an unfinished study stands at; nothing where it is finished."""
    last = events[-1]["event"] if events else "created"
    made = f"{len(rounds)} of {study.plan.federation.rounds} rounds"
    if last == "finished":
        return ""
    if last == "paused":
        return f" The study is paused at {made}: too few hospitals answered; it can go on."
    return f" The study is not finished: {made}."


def _who(study: Study, events: list[Event], scored: list[Event]) -> Section:
    missed = _missed(events)
    rounds = [event for event in scored if event["event"] == "round"]
    rows = []
    for site in _names(events):
        facts = [sites_of(event)[site] for event in rounds if site in sites_of(event)]
        n_scored = [
            f["tally"]["n"] for e in scored if (f := sites_of(e).get(site)) and "tally" in f
        ]
        rows.append(
            [
                site,
                str(facts[-1]["n_images"]) if facts else "0",
                str(facts[-1]["n_steps"]) if facts else "0",
                f"{len(facts)} of {study.plan.federation.rounds}",
                str(n_scored[-1]) if n_scored else NONE_SHARED,
                _short_list(missed[site]) or "none",
            ]
        )
    header = ["site", "training images", "steps a round", "rounds answered"]
    header += ["images scored", "missed"]
    text = (
        "Every image stayed at its hospital. Training images and scored images belong to different "
        "patients. A hospital shares no scores where it has no patient to hold out, or where its "
        "policy keeps a small class back."
    )
    return Section("What was trained on, by whom", [text], tables=[Table(header, rows)])


def _missed(events: list[Event]) -> dict[str, list[str]]:
    missed: dict[str, list[str]] = defaultdict(list)
    for event in events:
        if event["event"] in ASKED:
            is_scoring = event["event"] in ("scored", "finished")
            asked = "final scoring" if is_scoring else f"round {event['round']}"
            for site, reason in mapping(event["missing"]).items():
                missed[site].append(f"{asked}: {reason}")
    return missed


def _curves(sites: list[str], rounds: list[Event], scored: list[Event]) -> Section:
    names = [*sites, ALL]
    in_order = [*rounds, *[event for event in scored if event["event"] == "scored"]]
    if len(in_order) == len(rounds):  # the last model is the final one
        in_order = scored
    loss, area = curves(in_order, "loss"), curves(in_order, "auc")
    pictures = []
    if loss:
        pictures.append(line_plot(loss, "rounds made", "loss on validation images", names, ALL))
    if area:
        lowest = min(min(y) for _, y in area.values())
        range_ = (min(0.45, lowest - 0.05), 1.02)
        pictures.append(
            line_plot(area, "rounds made", "AUC on validation images", names, ALL, range_)
        )
    train: dict[str, tuple[list[float], list[float]]] = {}
    for event in rounds:
        for site, facts in sites_of(event).items():
            x, y = train.setdefault(site, ([], []))
            x.append(float(str(event["round"])))
            y.append(facts["train_loss"])
    if train:
        pictures.append(line_plot(train, "round", "loss in local training", names))
    text = (
        "The common model on each hospital's validation patients, before the first round and after "
        "every round. 0.5 is chance for the AUC, 1 is perfect."
        if loss
        else "No hospital let scores out, so only the loss of local training can be shown."
    )
    return Section("How it went, round by round", [text], pictures)


def _results(study: Study, scored: list[Event]) -> Section:
    if not scored:
        return Section("The result", ["There is none yet."])
    found = score_sites(scored[-1])
    _, rows, title = final_table(study)
    tables = [Table(HEADER, rows, total=ALL)]
    tables += [_confusion(name, one, study.plan.task.classes) for name, one in found.items()]
    positive = study.plan.task.classes[-1]
    of = (
        f"of the class {positive}, called at a probability of {study.plan.evaluation.threshold:g}"
        if study.plan.task.type == "binary"
        else "averaged over the classes or findings, each counted alike"
    )
    text = (
        f"The {title}. Precision, recall and F1 are {of}. Below: how many images of each "
        "true class (row) were called what (column)."
    )
    return Section("The result", [text], tables=tables)


def _score_rows(event: Event) -> list[list[str]]:
    found = score_sites(event)
    rows = []
    for site in [*sites_of(event), ALL]:
        one = found.get(site)
        if one is not None:
            rows.append([site, str(one.n), *(_shown(one.values[name]) for name in COLUMNS)])
        elif site != ALL:
            rows.append([site, NONE_SHARED, *("" for _ in COLUMNS)])
    absent = [[site, NO_ANSWER, *("" for _ in COLUMNS)] for site in mapping(event["missing"])]
    at = len(sites_of(event))  # the row of all sites stays last
    return rows[:at] + absent + rows[at:]


def _confusion(name: str, one: Scored, classes: list[str]) -> Table:
    if np.ndim(one.confusion) == 3:
        header = ["finding", "absent, called absent", "absent, called present"]
        header += ["present, called absent", "present, called present"]
        counts = np.reshape(one.confusion, (len(classes), 4)).tolist()
        rows = [[c, *map(str, four)] for c, four in zip(classes, counts, strict=True)]
        return Table(header, rows, caption=f"{name}, n = {one.n}")
    rows = [[c, *map(str, counts)] for c, counts in zip(classes, one.confusion, strict=True)]
    return Table(["true", *(f"called {c}" for c in classes)], rows, caption=f"{name}, n = {one.n}")


def _limits() -> Section:
    texts = [
        "Research software, not a medical device: nothing here is fit for diagnosis.",
        "The scores over all sites come from histograms of 128 bins that the hospitals add up, "
        "not from predictions; scores in one bin count as ties. A site's own AUC is exact.",
        "Where few patients are validation, a score can move by a tenth by chance alone; compare n "
        "before you compare sites.",
    ]
    return Section("Limits", texts)


def _names(events: list[Event]) -> list[str]:
    """List the roster, as the first event has it, then the sites that were enrolled later."""
    names: dict[str, None] = {}
    for event in events:
        if event["event"] == "started":
            names |= dict.fromkeys(map(str, event["sites"]))  # type: ignore[arg-type]
        elif event["event"] in ASKED:
            names |= dict.fromkeys([*sites_of(event), *mapping(event["missing"])])
    return [*names]


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _short_list(reasons: list[str]) -> str:
    more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return "; ".join(reasons[:3]) + more
