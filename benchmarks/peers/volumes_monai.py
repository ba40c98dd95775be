"""The hippocampus study as a user of MONAI writes it, and the Dice of any engine's last weights.

    volumes_monai.py pooled FOLDER OUT ROUNDS        all hospitals' volumes in one place
    volumes_monai.py dice FOLDER OUT ENGINE          of OUT/weights.pt, on all test volumes

FOLDER is what `volumes_medfl.py make` wrote. Layers, batches, steps, optimiser and learning rates
are the plan's, loss and augmentation MONAI's of the same kind; a step is in float32.
"""

import math
import sys
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.metrics import DiceMetric
from monai.networks.nets import DynUNet
from monai.transforms import Compose, RandFlipd, RandRotated, RandScaleIntensityd, RandZoomd

LR, CLIP, BATCH, EPOCHS = 0.003, 5.0, 2, 2
N_CLASSES = 3
BOTH = ("x", "y")
MODES = ("bilinear", "nearest")
CHANGES = Compose(
    [
        RandFlipd(BOTH, prob=0.25, spatial_axis=2),
        RandRotated(BOTH, range_x=math.radians(10), prob=0.5, mode=MODES),
        RandZoomd(BOTH, prob=0.5, min_zoom=0.9, max_zoom=1.1, mode=("trilinear", "nearest")),
        RandScaleIntensityd("x", factors=0.2, prob=0.5),
    ]
)


def network() -> torch.nn.Module:
    """Build medfl's layers; with a channel a group, its group norm is this instance norm."""
    torch.manual_seed(0)
    affine = ("INSTANCE", {"affine": True})
    return DynUNet(3, 1, N_CLASSES, [3] * 3, [1, 2, 2], [2, 2], [8, 16, 32], norm_name=affine)


def load(folder: Path, part: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Read (N, 1, D, H, W) volumes and masks of each hospital, in its name's order."""
    found = [np.load(path) for path in sorted(folder.glob(f"*-{part}.npz"))]
    return [(torch.from_numpy(one["x"]), torch.from_numpy(one["y"][:, None])) for one in found]


def rate(round_: int, n_rounds: int) -> float:
    """Give the plan's learning rate: one round of warm-up, then a cosine."""
    if round_ == 1:
        return LR / 2
    return LR / 2 * (1 + math.cos(math.pi * (round_ - 2) / max(n_rounds - 1, 1)))


def train_epochs(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, lr: float) -> int:
    """Train for the plan's epochs; return the number of steps."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0)
    loss_of = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True)
    n_steps = 0
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(x)).split(BATCH):
            cases = [CHANGES({"x": x[i], "y": y[i]}) for i in chosen]
            pixels, masks = (torch.stack([case[key].as_tensor() for case in cases]) for key in BOTH)
            optimizer.zero_grad()
            loss_of(model(pixels), masks).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            n_steps += 1
    return n_steps


def pooled(folder: Path, out: Path, n_rounds: int) -> None:
    """Train on all volumes together, as many passes as the federation makes."""
    out.mkdir(parents=True, exist_ok=True)
    x, y = (torch.cat(parts) for parts in zip(*load(folder, "train"), strict=True))
    model = network()
    n_steps = sum(train_epochs(model, x, y, rate(r, n_rounds)) for r in range(1, n_rounds + 1))
    torch.save(model.state_dict(), out / "weights.pt")
    print(f"{n_steps} steps")


@torch.no_grad()
def dice(folder: Path, out: Path, engine: str) -> None:
    """Print the mean Dice of each class over the test volumes."""
    if engine == "medfl":
        from volumes_medfl import network as of_medfl

        model = of_medfl(folder)
    else:
        model = network()
    model.load_state_dict(torch.load(out / "weights.pt", weights_only=True))
    model.eval()
    metric = DiceMetric(include_background=False, reduction="mean_batch")
    classes = torch.arange(N_CLASSES).reshape(1, -1, 1, 1, 1)
    for x, y in load(folder, "test"):
        for pixels, mask in zip(x.split(1), y.split(1), strict=True):
            metric(model(pixels).argmax(1, keepdim=True) == classes, mask == classes)
    found = metric.aggregate().tolist()
    print(f"Dice {sum(found) / len(found):.3f}, by class", [round(value, 3) for value in found])


if __name__ == "__main__":
    command, given = sys.argv[1], (Path(sys.argv[2]), Path(sys.argv[3]))
    if command == "pooled":
        pooled(*given, int(sys.argv[4]))
    else:
        dice(*given, sys.argv[4])
