"""With a frozen backbone each image's features are computed once, and an epoch costs the head."""

from dataclasses import dataclass, replace

import torch

from medfl_client.data.dataset import Batches, Examples, SiteData
from medfl_client.training.augment import augment
from medfl_client.training.evaluate import images_at_once
from medfl_client.training.step import product_type
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan
from medfl_common.seeds import torch_generator


@dataclass(frozen=True)
class FeatureSet(Batches):
    """What a frozen backbone gives for some images.

    features: (k, N, F) float32, of k changed copies of each image.
    targets: (N, K) as in ImageSet.
    """

    features: torch.Tensor
    targets: torch.Tensor

    @property
    def is_images(self) -> bool:
        """Say that they are not images any more."""
        return False

    def __len__(self) -> int:
        """Count the images."""
        return len(self.targets)

    def batch(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give (B, F) and (B, K); position i of copy c is i + N * c."""
        n = len(self)
        return self.features[index // n, index % n], self.targets[index % n]

    def chosen(self, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Draw a copy of each of the images (M,)."""
        n_copies = len(self.features)
        if n_copies == 1:
            return index
        return index + len(self) * torch.randint(n_copies, index.shape, generator=generator)


def feature_data(
    model: Network, data: SiteData, plan: Plan, site: str, device: torch.device
) -> SiteData:
    """Put features in the place of a site's images; the same for the same backbone."""
    generator = torch_generator(plan.seed, "feature copies", 0, site)
    n_copies = plan.training.feature_copies if plan.training.augmentation.is_on else 1
    copies = [_features(model, data.train, plan, device, generator) for _ in range(n_copies)]
    train = FeatureSet(torch.stack(copies), data.train.targets)
    validation, test = (
        FeatureSet(_features(model, part, plan, device, None)[None], part.targets)
        for part in (data.validation, data.test)
    )
    return replace(data, train=train, validation=validation, test=test)


@torch.no_grad()
def _features(
    model: Network,
    images: Examples,
    plan: Plan,
    device: torch.device,
    generator: torch.Generator | None,
) -> torch.Tensor:
    """Give (N, F); with a generator, of images changed at random."""
    model.eval()
    dtype = product_type(plan.training, device)
    found = [torch.zeros((0, model.n_features))]
    for pixels, _ in images.batches(torch.arange(len(images)), images_at_once(plan)):
        if generator is not None:
            pixels = augment(pixels, plan.training.augmentation, generator, plan.images.aspect)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            features = model.features(pixels.to(device))
        found.append(features.float().cpu())
    return torch.cat(found)
