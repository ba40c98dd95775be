"""The hippocampus study in NVFLARE's simulator: volumes_nvflare.py FOLDER OUT ROUNDS

FedAvg, weighted by steps, two hospitals at a time; each trains with MONAI (volumes_client.py).
"""

import sys
import tempfile
from pathlib import Path

import torch
from nvflare.app_opt.pt.recipes.fedavg import FedAvgRecipe
from nvflare.recipe import SimEnv
from volumes_monai import network

HERE = Path(__file__).parent


def main(folder: Path, out: Path, n_rounds: int) -> None:
    """Run the study; keep its last weights."""
    out.mkdir(parents=True, exist_ok=True)
    n_sites = len([*folder.glob("*-train.npz")])
    recipe = FedAvgRecipe(
        name="volumes",
        model=network(),
        min_clients=n_sites,
        num_rounds=n_rounds,
        train_script=str(HERE / "volumes_client.py"),
        train_args=f"{folder.absolute()} {n_rounds}",
    )
    root = tempfile.mkdtemp(prefix="nv_", dir=out)
    run = recipe.execute(SimEnv(num_clients=n_sites, num_threads=2, workspace_root=root))
    print(run.get_status())
    (found,) = Path(root).rglob("FL_global_model.pt")
    torch.save(torch.load(found, weights_only=True)["model"], out / "weights.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
