"""Score a model exactly on a site's validation images, by scikit-learn; the scores stay here."""

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_client.training.losses import classes, log_odds, predicted
from medfl_common.metrics.enough import digits
from medfl_common.metrics.membership import attack_on
from medfl_common.plan.plan import Plan

WEAKEST = "It is the weakest of attacks: that it fails says little."


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


def local_membership(
    trained: NDArray[np.float64], held_out: NDArray[np.float64], plan: Plan
) -> str:
    """Say how well the images that were trained on here can be told from the others."""
    found = attack_on(trained, held_out)
    if found is None:
        return ""
    between = (
        "" if found.interval is None else f" ({found.interval[0]:.2f} to {found.interval[1]:.2f})"
    )
    lines = [
        "Can an image that was trained on here be told from one that was not (membership "
        f"inference)? AUC of the attack {found.auc:.2f}{between}; 0.50 is guessing.",
    ]
    if found.found is not None and found.found_interval is not None:
        low, high = found.found_interval
        lines.append(
            f"Of {found.n_trained} trained images it finds {found.found:.1%} ({low:.1%} to "
            f"{high:.1%}) with false alarms for 1 % of {found.n_held_out} others."
        )
    else:
        lines.append(f"{found.n_held_out} others are too few to say how many it finds.")
    noise = plan.privacy.noise
    if noise is not None:
        lines.append(
            f"Whatever the attack, the plan's noise lets nobody find more than "
            f"{noise.found_at_most:.0%} with false alarms for 1 %."
        )
    return "\n".join(["", *lines, WEAKEST, ""])


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
