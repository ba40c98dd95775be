"""Score a model exactly on a site's validation images, by scikit-learn; the scores stay here."""

import torch

from medfl_client.training.losses import classes, log_odds, predicted
from medfl_common.metrics.enough import digits
from medfl_common.plan.plan import Plan


def local_report(logits: torch.Tensor, targets: torch.Tensor, plan: Plan) -> str:
    """Write scikit-learn's report and confusion matrix of (N, K) logits against (N, K) targets.

    Each of several findings has its own, over the images with a known label.
    """
    from sklearn.metrics import classification_report, confusion_matrix

    odds = log_odds(logits, plan)
    parts = [f"validation images of this site: {len(targets)}"]
    for title, names, truth, called in _tables(odds, targets, plan):
        labels = list(range(len(names)))
        parts.append(title)
        parts.append(
            classification_report(
                truth,
                called,
                labels=labels,
                target_names=names,
                digits=digits(len(truth)),
                zero_division=0.0,
            )
        )
        cells = confusion_matrix(truth, called, labels=labels)
        lines = [
            f"{name:>20} {' '.join(f'{cell:6d}' for cell in row)}"
            for name, row in zip(names, cells, strict=True)
        ]
        parts.append("\n".join(["true class in rows, predicted class in columns:", *lines]))
    return "\n\n".join(parts) + "\n"


def _tables(
    odds: torch.Tensor, targets: torch.Tensor, plan: Plan
) -> list[tuple[str, list[str], list[int], list[int]]]:
    if plan.task.type != "multilabel":
        truth = classes(targets, plan).tolist()
        return [("", [*plan.task.classes], truth, predicted(odds, plan).tolist())]
    tables = []
    is_called = torch.sigmoid(odds) >= plan.evaluation.threshold
    for k, name in enumerate(plan.task.classes):
        known = ~torch.isnan(targets[:, k])
        truth = targets[known, k].long().tolist()
        tables.append((name, ["absent", "present"], truth, is_called[known, k].long().tolist()))
    return tables
