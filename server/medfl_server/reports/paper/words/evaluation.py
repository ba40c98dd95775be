"""How models were scored: which scores, which intervals, on whom."""

from medfl_common.metrics.mask_counts import merge_masks
from medfl_common.plan.plan import Plan
from medfl_common.run.simulation_files import SimulationFiles
from medfl_server.reports.model_in_words import output_of
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.primary import tested_before
from medfl_server.reports.scores import (
    mask_counts_in,
    n_scored_in,
    score_counts_in,
    score_counts_of_groups,
)
from medfl_server.reports.sections.independence import BY_PATIENT, whose_images
from medfl_server.reports.sections.masks import whose_cases

CLASSIFIED = (
    "AUC of the ROC and of precision and recall, accuracy, balanced accuracy, precision, "
    "sensitivity, specificity, F1, Cohen's kappa, sensitivity at a specificity of "
    "{specificity:g}, calibration error (ECE) and Brier score; binary calls at a probability of "
    "{threshold:g}."
)
SCORES = {
    "segmentation": "Mean and median Dice over images, surface Dice (NSD) at {surface}, HD95, "
    "volume difference, lesions found, and images in which a class is seen without being there.",
    "detection": "FROC (mean sensitivity at 1/8 to 8 false positives an image, LUNA16), the "
    "sensitivity at each of these points, and the average precision at an overlap of half (AP50).",
}
INTERVALS = {
    "segmentation": "95 % intervals: Student's t of the mean over images, bootstrap of medians, "
    "Wilson of lesions.",
    "detection": "95 % intervals count true boxes, widened by how alike those of a patient are "
    "where hospitals tell it.",
    "binary": "95 % intervals: DeLong for the AUC, Wilson for proportions, bootstrap for others.",
}
BOOTSTRAP = "95 % intervals: Wilson for the accuracy, bootstrap for the others."


def metrics(facts: Facts) -> str:
    """Name the scores that are computed, and the one that chose the round."""
    plan = facts.plan
    scoring = plan.evaluation
    surface = f"{scoring.surface_mm:g} {plan.images.distance_unit}"
    text = SCORES.get(plan.task.type, CLASSIFIED).format(
        specificity=scoring.specificity, threshold=scoring.threshold, surface=surface
    )
    mean = " Of several classes: the unweighted mean." if len(plan.task.foreground) > 2 else ""
    chose = f" The round was chosen by: {scoring.metric}." if scoring.keep == "best" else ""
    return f"{text}{mean}{chose}"


def uncertainty(facts: Facts) -> str:
    """Say which intervals there are, and whether they count patients."""
    plan = facts.plan
    text = INTERVALS.get(plan.task.type, BOOTSTRAP)
    masks = mask_counts_in(facts.shown) if facts.shown else {}
    if masks:
        text += f" {whose_cases(merge_masks([*masks.values()]))}"
    if plan.task.is_dense:
        return f"{text} No test of significance was made."
    counted = score_counts_in(facts.shown) if facts.shown else {}
    whose = whose_images(counted) if counted else BY_PATIENT
    return f"{text} {whose} Bins of the score histograms are in the intervals."


def internal(facts: Facts) -> str:
    """Say on whom the model was scored within the hospitals that trained it."""
    found = [
        f"{part}: {_images(n_scored_in(event))}"
        for part, event in (("validation part", facts.finished), ("test part", facts.tested))
        if event is not None and n_scored_in(event)
    ]
    if not found:
        return ""
    again = (
        ", and an earlier one before the study went on" if tested_before(facts.events) else ", once"
    )
    when = f"The validation part scored each round's model; the test part the final model{again}."
    return f"{when} Final model, {'; '.join(found)}."


def external(facts: Facts) -> str:
    """Say which hospitals that trained nothing scored the final model, or that none did."""
    if facts.finished is None:
        return ""
    if facts.outside is None or not n_scored_in(facts.outside):
        return (
            "No hospital outside the study scored the final model: the scores do not show how it "
            "does elsewhere."
        )
    n = n_scored_in(facts.outside)
    return f"Hospitals that trained and chose nothing scored it: {_images(n)}."


def robustness(facts: Facts) -> str:
    """Say which further analyses there are: by subgroup, without a hospital, under noise."""
    found, files = [], SimulationFiles(facts.study.folder)
    if facts.shown and score_counts_of_groups(facts.shown, facts.plan):
        found.append(f"scores by {', '.join(facts.plan.evaluation.subgroups)}")
    if facts.finished and len(n_scored_in(facts.finished)) > 1 and facts.finished.pooled is None:
        found.append("scores at each hospital")
    if facts.outside and n_scored_in(facts.outside):
        found.append("scores at outside hospitals")
    if files.left_out.exists():
        found.append("a federation without each hospital, scored there")
    if files.folds_page.exists():
        found.append("every patient tested once, in folds")
    return f"{'; '.join(found).capitalize()}." if len(found) > 1 else ""


def calibration(facts: Facts) -> str:
    """Say how probabilities are judged; nothing of a network that gives none for an image."""
    if facts.plan.task.is_dense:
        return ""
    return (
        "Calibration: observed against predicted in tenths, ECE and Brier score; the temperature "
        "that fits the validation part is told, and the scores are of the probabilities before it."
    )


def threshold(plan: Plan) -> str:
    """Say at which probability a finding is called; nothing where the task has no threshold."""
    if plan.task.type not in ("binary", "multilabel"):
        return ""
    return (
        f"A probability of {plan.evaluation.threshold:g} or more is called positive, as the plan "
        "says in advance. Other thresholds are chosen on the validation part and told beside it."
    )


def _images(n: dict[str, int]) -> str:
    where = "1 hospital" if len(n) == 1 else f"{len(n)} hospitals"
    return f"{sum(n.values())} images of {where}"


def clusters(facts: Facts) -> str:
    """Say how hospitals and patients, which are clusters, are heeded."""
    return f"Scores are told for each hospital and over all. {BY_PATIENT}"


def metrics_and_plots(facts: Facts) -> str:
    """Name scores and plots."""
    plots = "Plots: scores by hospital, and by round"
    more = "" if facts.plan.task.is_dense else ", ROC, observed against predicted"
    return f"{metrics(facts)} {calibration(facts)} {plots}{more}.".replace("  ", " ")


def predicted(facts: Facts) -> str:
    """Say how predictions are made."""
    return (
        "Each hospital scored the model's shared weights on its own images, prepared as for "
        "training, with medfl; medfl-server export gives model and preparation for other programs."
    )


def fairness(facts: Facts) -> str:
    """Say which groups were scored apart; empty: the plan asks for none."""
    groups = facts.plan.evaluation.subgroups
    if not groups:
        return ""
    return f"The plan scores the final model apart by {', '.join(groups)}, as policies allow it."


def output(facts: Facts) -> str:
    """Say what the model gives, and where its threshold comes from."""
    return f"Output: {output_of(facts.plan)}. {threshold(facts.plan)}".rstrip()


def apart(facts: Facts) -> str:
    """Say how those who were scored differ from those who were trained on, by design."""
    if facts.finished is None:
        return ""
    return f"Validation and test parts are of the hospitals that trained it. {external(facts)}"


def testing(facts: Facts) -> str:
    """Say how the model was validated and tested; empty of a study without scores."""
    found = internal(facts)
    if not found:
        return ""
    return " ".join([metrics(facts), found, external(facts)])
