"""How it went, round by round: curves of loss and AUC."""

from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked, ModelScored, RoundMade
from medfl_common.ui.page import Section, line_plot
from medfl_server.reports.line_scores import curves
from medfl_server.reports.scores import ALL
from medfl_server.reports.sections.shared import main_score

PERFECT = {
    "auc": "0.5 is chance for the AUC, 1 is perfect.",
    "dice": "A Dice of 1 is perfect, and 0 no overlap.",
    "froc": "A FROC of 1 is perfect: all is found at 1/8 false positives an image.",
}


def rounds_section(
    sites: list[str], rounds: list[RoundMade], scored: list[Asked], plan: Plan
) -> Section:
    """Draw the common model's scores and the loss of local training."""
    names = [*sites, ALL]
    last = [event for event in scored if isinstance(event, ModelScored)]
    in_order: list[Asked] = [*rounds, *last]
    if len(in_order) == len(rounds):  # the last model is the final one
        in_order = scored
    loss, area = curves(in_order, "loss"), curves(in_order, main_score(plan)[0])
    plots = []
    if loss:
        plots.append(line_plot(loss, "rounds made", "loss on validation images", names, ALL))
    if area:
        lowest = min(min(y) for _, y in area.values())
        range_ = (min(0.45, lowest - 0.05), 1.02)
        label = f"{main_score(plan)[1]} on validation images"
        plots.append(line_plot(area, "rounds made", label, names, ALL, range_))
    train: dict[str, tuple[list[float], list[float]]] = {}
    for event in rounds:
        for site, loss_there in _training_losses(event).items():
            x, y = train.setdefault(site, ([], []))
            x.append(event.round)
            y.append(loss_there)
    if any(any(y) for _, y in train.values()):  # 0 is what a site tells that keeps it back
        plots.append(line_plot(train, "round", "loss in local training", names))
    text = (
        "The common model on each hospital's validation patients, before the first round and after "
        f"every round. {PERFECT[main_score(plan)[0]]}"
        if loss
        else "No hospital released scores of the rounds."
    )
    return Section("How it went, round by round", [text], plots)


def _training_losses(event: RoundMade) -> dict[str, float]:
    """Give the loss of local training by site, or over all sites where it is told as a sum."""
    if event.pooled is not None:
        return {ALL: event.pooled.train_loss} if event.pooled.n_images else {}
    found = {site: reply.train_loss for site, reply in event.sites.items()}
    return {site: loss for site, loss in found.items() if loss is not None}
