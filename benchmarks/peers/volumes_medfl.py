"""The hippocampus study in medfl's simulation, over the volumes that the other engines get.

    volumes_medfl.py make DATA FOLDER      volumes and masks of four hospitals, as medfl reads them
    volumes_medfl.py pool FOLDER OTHER     the same in one place, as one hospital
    volumes_medfl.py run FOLDER OUT ROUNDS [PRECISION]    float32 as the others, or auto

DATA holds images/ and labels/ (docs/tutorials/hippocampus.md), and a writable copy: medfl caches
there. Nobody chooses a round, so no volume validates.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch

from medfl_client.config.site_file import Policy
from medfl_client.data.dataset import MaskedImages, SiteData
from medfl_client.task.site import Site
from medfl_common.models import build_model
from medfl_common.models.network import Network
from medfl_common.models.weights import load_shared
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.checkpoint import load_newest
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import Scenario
from medfl_sim.data.sources.nifti import NiftiReader
from medfl_sim.engine.simulation import run_study

CONFIGS = Path(__file__).parents[2] / "configs"
POLICY = Policy(approval="none", min_images=1, min_cell=1)


def make(data: Path, folder: Path) -> None:
    """Write (N, 1, D, H, W) float32 volumes and (N, D, H, W) masks of each hospital."""
    folder.mkdir(parents=True)
    text = (CONFIGS / "hippocampus.yaml").read_text().replace("validation: 0.1", "validation: 0")
    (folder / "plan.yaml").write_text(text)
    plan = load_plan(folder / "plan.yaml")
    dealt = Scenario(partition={"kind": "iid", "sites": 4})
    site_file = CONFIGS / "hippocampus.site.yaml"
    for name, site in virtual_sites(data, plan, dealt, site_file, reader=NiftiReader()).items():
        own = site.data(plan)
        for part, images in (("train", own.train), ("test", own.test)):
            batches = [*images.batches(torch.arange(len(images)), 16)]
            x, y = (torch.cat(parts).numpy() for parts in zip(*batches, strict=True))
            np.savez(folder / f"{name}-{part}.npz", x=x, y=y)


def pool(folder: Path, other: Path) -> None:
    """Write the volumes of all hospitals as one's."""
    other.mkdir(parents=True)
    (other / "plan.yaml").write_text((folder / "plan.yaml").read_text())
    for part in ("train", "test"):
        several = [np.load(path) for path in sorted(folder.glob(f"*-{part}.npz"))]
        x, y = (np.concatenate([one[key] for one in several]) for key in "xy")
        np.savez(other / f"pooled-{part}.npz", x=x, y=y)


def run(folder: Path, out: Path, n_rounds: int, precision: str) -> None:
    """Run the study; keep its last weights."""
    out.mkdir(parents=True, exist_ok=True)
    text = (folder / "plan.yaml").read_text().replace("rounds: 10", f"rounds: {n_rounds}")
    text = text.replace("  lr:", f"  precision: {precision}\n  lr:") + "  keep: last\n"
    (out / "plan.yaml").write_text(text)
    study = create_study(out / "run", out / "plan.yaml")
    names = [path.name.removesuffix("-train.npz") for path in sorted(folder.glob("*-train.npz"))]
    sites = {
        name: Site(name, POLICY, torch.device("cpu"), partial(_data, folder, name), state=None)
        for name in names
    }
    run_study(study, sites, print, engine="processes", n_workers=2)
    model, (newest, _) = build_model(study.plan), load_newest(study.checkpoints)
    assert newest is not None
    load_shared(model, newest.weights)
    torch.save(model.state_dict(), out / "weights.pt")


def network(folder: Path) -> Network:
    """Build the plan's network."""
    return build_model(load_plan(folder / "plan.yaml"))


def _data(folder: Path, name: str, plan: Plan) -> SiteData:
    train, test = (_images(folder / f"{name}-{part}.npz") for part in ("train", "test"))
    return SiteData(train=train, validation=_none(test), test=_none(test))


def _images(path: Path) -> MaskedImages:
    with np.load(path) as found:
        x, y = found["x"], found["y"]
    rows = np.arange(len(x))
    present = np.stack([(y == k).any(axis=(1, 2, 3)) for k in range(3)], axis=1)
    targets = torch.from_numpy(present).float()
    return MaskedImages(x, rows, targets, masks=y, mask_rows=rows)


def _none(images: MaskedImages) -> MaskedImages:
    empty = np.arange(0)
    return MaskedImages(
        images.pixels, empty, images.targets[:0], masks=images.masks, mask_rows=empty
    )


if __name__ == "__main__":
    first, second = Path(sys.argv[2]), Path(sys.argv[3])
    if sys.argv[1] in ("make", "pool"):
        {"make": make, "pool": pool}[sys.argv[1]](first, second)
    else:
        run(first, second, int(sys.argv[4]), sys.argv[5] if len(sys.argv) > 5 else "auto")
