"""Some samples of a collection as what is trained on and scored: images, with masks or patches."""

from medfl_client.data.boxed import padded_boxes
from medfl_client.data.dataset import (
    BoxedImages,
    Examples,
    ImageSet,
    Indices,
    MaskedImages,
    encode_targets,
)
from medfl_client.data.ingest import Collection
from medfl_client.data.own_shapes import OwnShapes
from medfl_client.data.patch_set import PatchSet
from medfl_common.plan.plan import Plan


def examples(collection: Collection, positions: Indices, plan: Plan) -> Examples:
    """Give the samples at some positions of a collection."""
    targets = encode_targets([collection.samples[i].targets for i in positions], plan)
    rows, pixels, masks = collection.rows[positions], collection.pixels, collection.masks
    if collection.boxes is not None:
        assert not isinstance(pixels, OwnShapes)
        boxes = padded_boxes([collection.boxes[i] for i in positions], plan.images.dimensions)
        return BoxedImages(pixels, rows, targets, plan.images.channels, boxes=boxes)
    if masks is None:
        assert not isinstance(pixels, OwnShapes)  # only a plan with masks has them
        return ImageSet(pixels, rows, targets, plan.images.channels)
    mask_rows = masks.rows[positions]
    if isinstance(pixels, OwnShapes) and isinstance(masks.labels, OwnShapes):
        patch = plan.images.patch
        assert patch is not None
        return PatchSet(pixels, rows, masks.labels, mask_rows, targets, patch, plan.images.channels)
    assert not isinstance(pixels, OwnShapes)
    assert not isinstance(masks.labels, OwnShapes)
    return MaskedImages(
        pixels, rows, targets, plan.images.channels, masks=masks.labels, mask_rows=mask_rows
    )
