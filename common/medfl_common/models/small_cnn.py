"""The classic first network: two convolutions, two poolings, a dense layer; in 2D and 3D."""

from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models import MODELS, Backbone
from medfl_common.models.norms import norm_layer
from medfl_common.plan.images import Images

N_FEATURES = 128


@MODELS.register("small_cnn")
def small_cnn(images: Images, norm: str, is_published: bool) -> Backbone:
    """Build two convolutions and a dense layer; 10 pixels or slices or more; its own norm is group.

    0.2 M weights at 28 x 28, 1.6 M at 64 x 64; in 3D, 27 M at 32 x 64 x 64.
    """
    is_3d = images.dimensions == 3
    convolution, pooling = (nn.Conv3d, nn.MaxPool3d) if is_3d else (nn.Conv2d, nn.MaxPool2d)
    kind = "group" if norm == "own" else norm
    n_values = 64
    for side in images.shape[1:]:
        if side < 10:
            raise ConfigError(f"small_cnn needs 10 pixels or slices, images have {side}")
        n_values *= ((side - 2) // 2 - 2) // 2
    module = nn.Sequential(
        convolution(images.channels, 32, 3),
        norm_layer(kind, 32, images.dimensions),
        nn.ReLU(),
        pooling(2),
        convolution(32, 64, 3),
        norm_layer(kind, 64, images.dimensions),
        nn.ReLU(),
        pooling(2),
        nn.Flatten(),
        nn.Linear(n_values, N_FEATURES),
        nn.ReLU(),
    )
    return Backbone(module, N_FEATURES)
