"""Keep a detection model at its site with its exact scores there, which stay."""

from pathlib import Path

import torch

from medfl_client.data.dataset import SiteData
from medfl_client.model_use.kept_models import keep_model
from medfl_client.training.box_scores import count_boxes
from medfl_common.files import write_atomic
from medfl_common.metrics.box_counts import WITH, BoxCounts
from medfl_common.metrics.box_estimates import class_scores
from medfl_common.metrics.enough import case_digits
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan

TITLES = {
    "froc": "FROC, mean of the below",
    "at_1_8": "found at 1/8 false",
    "at_1_4": "found at 1/4 false",
    "at_1_2": "found at 1/2 false",
    "at_1": "found at 1 false",
    "at_2": "found at 2 false",
    "at_4": "found at 4 false",
    "at_8": "found at 8 false",
    "ap50": "AP at IoU 0.5",
}


def keep_with_boxes(
    state: Path, name: str, plan: Plan, model: Network, data: SiteData, device: torch.device
) -> None:
    """Keep the model; beside it, its scores on the site's validation images."""
    folder = keep_model(state, name, plan, model, None)
    if len(data.validation):
        counts = count_boxes(model, data.validation, plan, device)
        write_atomic(folder / "scores.txt", box_report(counts, plan).encode())


def box_report(counts: BoxCounts, plan: Plan) -> str:
    """Write the scores of each class, without any rule on few images: a site sees its own."""
    names = plan.task.foreground
    rows = {
        "": names,
        "images with it": [str(n) for n in counts.images[:, WITH].tolist()],
        "true boxes": [str(n) for n in counts.truths.tolist()],
    }
    scored = [class_scores(counts, k) for k in range(len(names))]
    for name, title in TITLES.items():
        pairs = zip(scored, counts.truths.tolist(), strict=True)
        values = [(own[name], n) for own, n in pairs]
        rows[title] = ["n/a" if v is None else f"{v.value:.{case_digits(n)}f}" for v, n in values]
    lines = [
        f"{title:<26}" + " ".join(f"{cell:>14}" for cell in row) for title, row in rows.items()
    ]
    head = f"validation images of this site: {counts.n}; false boxes are counted an image"
    return "\n".join([head, "", *lines]) + "\n"
