"""Keep a segmentation model at its site with its exact scores there, which stay."""

from pathlib import Path

import torch

from medfl_client.data.dataset import SiteData
from medfl_client.model_use.kept_models import keep_model
from medfl_client.training.mask_scores import count_masks
from medfl_common.files import write_atomic
from medfl_common.metrics.enough import case_digits
from medfl_common.metrics.mask_counts import ABSENT, IN_TRUTH, MaskCounts
from medfl_common.metrics.mask_estimates import IN_MM, class_scores
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan

TITLES = {
    "dice": "Dice, mean",
    "median_dice": "Dice, median",
    "nsd": "surface Dice, mean",
    "median_hd95": "HD95, median, {unit}",
    "voxel_dice": "Dice of all voxels",
    "lesion_sensitivity": "lesions found",
    "lesion_f1": "lesions, F1",
    "false_alarms": "seen where there is none",
}


def keep_with_masks(
    state: Path, name: str, plan: Plan, model: Network, data: SiteData, device: torch.device
) -> None:
    """Keep the model; beside it, its scores on the site's validation images."""
    folder = keep_model(state, name, plan, model, None)
    if len(data.validation):
        counts = count_masks(model, data.validation, plan, device)
        write_atomic(folder / "scores.txt", mask_report(counts, plan).encode())


def mask_report(counts: MaskCounts, plan: Plan) -> str:
    """Write the scores of each class, without any rule on few cases: a site sees its own."""
    names = plan.task.foreground
    lines = [f"validation images of this site: {counts.n}", "", " " * 26 + _row(names)]
    cases = [str(n) for n in counts.cases[:, IN_TRUTH].tolist()]
    lines.append(f"{'images with it':<26}{_row(cases)}")
    scored = [class_scores(counts, k, None) for k in range(len(names))]
    for name, title in TITLES.items():
        n_cases = counts.cases[:, ABSENT if name == "false_alarms" else IN_TRUTH].tolist()
        cells = [_cell(name, own[name], n) for own, n in zip(scored, n_cases, strict=True)]
        title = title.format(unit=plan.images.distance_unit)
        lines.append(f"{title:<26}{_row(cells)}")
    return "\n".join(lines) + "\n"


def _cell(name: str, value: float | None, n: int) -> str:
    if value is None:
        return "n/a"
    return f"{value:.1f}" if name in IN_MM else f"{value:.{case_digits(n)}f}"


def _row(cells: list[str]) -> str:
    return " ".join(f"{cell:>14}" for cell in cells)
