"""A hospital of the hippocampus study in NVFLARE: volumes_client.py FOLDER ROUNDS"""

import sys
from pathlib import Path

import nvflare.client as flare
import torch
from volumes_monai import load, network, rate, train_epochs


def main(folder: Path, n_rounds: int) -> None:
    """Train when asked, until the study ends."""
    torch.set_num_threads(1)
    flare.init()
    place = int(flare.get_site_name().split("-")[1]) - 1
    x, y = load(folder, "train")[place]
    model = network()
    while flare.is_running():
        asked = flare.receive()
        if asked is None:
            break
        model.load_state_dict({name: torch.as_tensor(v) for name, v in asked.params.items()})
        n_steps = train_epochs(model, x, y, rate(asked.current_round + 1, n_rounds))
        meta = {"NUM_STEPS_CURRENT_ROUND": n_steps}
        flare.send(flare.FLModel(params=model.state_dict(), meta=meta))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
