"""The classic first network: two convolutions, two poolings, a dense layer."""

from torch import nn

from medfl_common.models import MODELS
from medfl_common.models.norms import norm_layer


@MODELS.register("small_cnn")
def small_cnn(channels: int, size: int, n_outputs: int, norm: str) -> nn.Module:
    """Build it for (B, channels, size, size), size >= 10; 0.2 M weights at 28, 1.6 M at 64."""
    side = ((size - 2) // 2 - 2) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3),
        norm_layer(norm, 32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        norm_layer(norm, 64),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * side * side, 128),
        nn.ReLU(),
        nn.Linear(128, n_outputs),
    )
