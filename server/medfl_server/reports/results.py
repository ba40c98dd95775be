"""A study's result as sections of a page: scores with intervals, curves, groups, thresholds."""

from collections.abc import Mapping
from typing import Any

from medfl_common.metrics.calibration import reliability
from medfl_common.metrics.counts import ScoreCounts, confusion_scores, merge
from medfl_common.metrics.curves import (
    auc_with_bound,
    rates_at,
    roc,
    sensitivity_at,
    youden_threshold,
)
from medfl_common.metrics.estimates import Estimate, auc_estimate, estimates, spread
from medfl_common.plan.plan import Plan
from medfl_common.run.log import Event
from medfl_common.run.model_file import read_scores
from medfl_common.ui.page import Section, Table, line_plot
from medfl_server.reports.scores import ALL, score_counts_in, score_counts_of_groups, score_sites

NAMES = {
    "auc": "AUC (ROC)",
    "pr_auc": "AUC (precision-recall)",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall (sensitivity)",
    "specificity": "specificity",
    "f1": "F1",
    "kappa": "Cohen's kappa",
    "sensitivity_at_specificity": "sensitivity at a specificity of {specificity:g}",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
}


def score_table(score_counts: ScoreCounts, plan: Plan) -> Table:
    """List every score over all sites with its 95 % interval."""
    found = estimates(score_counts, plan.task.type, plan.evaluation.specificity)
    rows = []
    for name, estimate in found.items():
        words = NAMES[name].format(specificity=plan.evaluation.specificity)
        if name == "kappa" and plan.task.type == "ordinal":
            words = "Cohen's kappa, quadratic"
        rows.append([words, *shown(estimate)])
    return Table(
        ["score", "value", "95 % interval"], rows, caption=f"all sites, n = {score_counts.n}"
    )


def shown(estimate: Estimate) -> tuple[str, str]:
    """Write a value and its interval."""
    if estimate.value is None:
        return "n/a", "n/a"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}", "n/a"
    return f"{estimate.value:.3f}", f"{estimate.low:.3f} to {estimate.high:.3f}"


def _plain(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def detail_sections(event: Event, plan: Plan) -> list[Section]:
    """Give what stands behind the first table: intervals, sites, curves, thresholds, groups."""
    counted = score_counts_in(event)
    if not counted:
        return []
    whole = merge([*counted.values()])
    sections = [
        Section("How sure are these scores?", [_bound(whole), _differ(event)],
                tables=[score_table(whole, plan)]),
        _curves(whole, plan),
        _calibration(whole, plan, len(counted)),
    ]  # fmt: skip
    if plan.task.type == "binary":
        sections.append(_thresholds(whole, plan))
    groups = score_counts_of_groups(event, plan)
    if plan.evaluation.subgroups:
        sections.append(_groups(groups, plan))
    if plan.task.type == "multilabel":
        sections.append(_findings(whole, plan))
    return sections


def _bound(whole: ScoreCounts) -> str:
    pairs = zip(whole.positive, whole.negative, strict=True)
    bounds = [found[1] for p, n in pairs if (found := auc_with_bound(p, n)) is not None]
    widest = f"at most {max(bounds):.4f}" if bounds else "not known"
    return (
        f"Over all sites the scores come from histograms; by them the AUC can be off by {widest}. "
        "The intervals treat images as independent; several of one patient make them too narrow."
    )


def _differ(event: Event) -> str:
    areas = {s: one.values["auc"] for s, one in score_sites(event).items() if s != ALL}
    found = spread({site: value for site, value in areas.items() if value is not None})
    if found is None or len(areas) < 2:
        return "With scores of one site only, nothing can be said of differences between sites."
    return (
        f"The sites differ: AUC {found.lowest:.3f} at {found.worst} (the worst) to "
        f"{found.highest:.3f} at {found.best}, standard deviation {found.deviation:.3f}."
    )


def _labelled(whole: ScoreCounts, plan: Plan) -> list[tuple[str, Any, Any]]:
    """Give (class or finding, positive, negative) of each curve."""
    names = plan.task.classes[-1:] if plan.task.type == "binary" else plan.task.classes
    return list(zip(names, whole.positive, whole.negative, strict=True))


def _curves(whole: ScoreCounts, plan: Plan) -> Section:
    lines = {}
    for name, positive, negative in _labelled(whole, plan):
        if positive.any() and negative.any():
            false, true = roc(positive, negative)
            lines[name] = (false.tolist(), true.tolist())
    image = line_plot(
        lines, "1 - specificity", "sensitivity", [*lines], y_range=(0, 1.02), marks=False
    )
    text = "All sites together. The diagonal would be chance, the upper left corner perfect."
    return Section("Sensitivity against specificity", [text], [image] if lines else [])


def _calibration(whole: ScoreCounts, plan: Plan, n_sites: int) -> Section:
    lines: dict[str, tuple[list[float], list[float]]] = {"perfect": ([0.0, 1.0], [0.0, 1.0])}
    for name, positive, negative in _labelled(whole, plan):
        groups = reliability(positive, negative)
        lines[name] = ([g.predicted for g in groups], [g.observed for g in groups])
    image = line_plot(
        lines, "predicted probability", "part that is positive", [*lines], y_range=(0, 1.02),
        whole_x=False,
    )  # fmt: skip
    found = read_scores(whole, plan, n_sites).temperature
    advice = (
        "A temperature could not be found."
        if found is None
        else f"Dividing the log-odds by {found:.2f} makes the probabilities fit best; "
        f"the model was {'too sure' if found > 1 else 'not sure enough'} by that factor."
    )
    return Section("Do its probabilities mean what they say?", [advice], [image])


def _thresholds(whole: ScoreCounts, plan: Plan) -> Section:
    positive, negative = whole.positive[0], whole.negative[0]
    reading = read_scores(whole, plan, 1)
    at = sensitivity_at(positive, negative, plan.evaluation.specificity)
    best = youden_threshold(positive, negative)
    chosen = [("largest sensitivity + specificity (Youden)", best, reading.youden)]
    wish = f"specificity of at least {plan.evaluation.specificity:g}"
    chosen.append((wish, None if at is None else at[1], reading.at_specificity))
    rows = []
    for words, odds, chance in chosen:
        if odds is None or chance is None:
            continue
        rates = rates_at(positive, negative, odds)
        values = (rates.sensitivity, rates.specificity, rates.precision)
        rows.append([words, f"{chance:.3f}", *map(_plain, values)])
    header = ["aim", "threshold", "sensitivity", "specificity", "precision"]
    text = (
        "What other thresholds would give on the same images. They were chosen on these images, so "
        f"they look a little too good; the study's own threshold is {plan.evaluation.threshold:g}."
    )
    return Section("Which threshold?", [text], tables=[Table(header, rows)])


def _groups(groups: Mapping[str, Mapping[str, ScoreCounts]], plan: Plan) -> Section:
    tables = []
    header = ["group", "images", "AUC", "95 % interval", "sensitivity", "specificity"]
    for kind in plan.evaluation.subgroups:
        rows = []
        for name, score_counts in groups.get(kind, {}).items():
            area, rates = auc_estimate(score_counts, plan.task.type), confusion_scores(score_counts)
            cells = [_plain(rates[k]) for k in ("recall", "specificity")]
            rows.append([name, str(score_counts.n), *shown(area), *cells])
        tables.append(Table(header, rows or [["none told", *[""] * 5]], caption=f"by {kind}"))
    text = (
        "The final model by groups of patients. A site tells of a group only if it is large, "
        "and if no small group could be worked out from the others; a policy may forbid it."
    )
    return Section("Is it as good for everyone?", [text], tables=tables)


def _findings(whole: ScoreCounts, plan: Plan) -> Section:
    rows = []
    for i, name in enumerate(plan.task.classes):
        one = ScoreCounts(
            int(whole.confusion[i].sum()), 0.0, whole.confusion[i],
            whole.positive[i : i + 1], whole.negative[i : i + 1],
        )  # fmt: skip
        rates = confusion_scores(one)
        cells = [_plain(rates[k]) for k in ("recall", "specificity", "f1")]
        rows.append([name, str(one.n), *shown(auc_estimate(one, "binary")), *cells])
    header = ["finding", "known of", "AUC", "95 % interval", "sensitivity", "specificity", "F1"]
    return Section("Finding by finding", tables=[Table(header, rows)])
