"""Some samples of a collection as what is trained on and scored: images with masks or boxes."""

from medfl_client.data.boxed import padded_boxes, with_unknown
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
from medfl_client.data.patch_set import BoxPatchSet, PatchSet
from medfl_common.plan.plan import Plan


def examples(collection: Collection, positions: Indices, plan: Plan) -> Examples:
    """Give the samples at some positions of a collection."""
    targets = encode_targets([collection.samples[i].targets for i in positions], plan)
    rows, pixels, masks = collection.rows[positions], collection.pixels, collection.masks
    patch, channels = plan.images.patch, plan.images.channels
    if collection.boxes is not None:
        samples, own = collection.samples, collection.boxes
        several = [with_unknown(own[i], samples[i].targets) for i in positions]
        boxes = padded_boxes(several, plan.images.dimensions)
        if isinstance(pixels, OwnShapes):
            assert patch is not None
            return BoxPatchSet(pixels, rows, targets, patch, channels, boxes=boxes)
        return BoxedImages(pixels, rows, targets, channels, boxes=boxes)
    if masks is None:
        assert not isinstance(pixels, OwnShapes)  # only a plan with masks or boxes has them
        return ImageSet(pixels, rows, targets, channels)
    mask_rows = masks.rows[positions]
    if isinstance(pixels, OwnShapes) and isinstance(masks.labels, OwnShapes):
        assert patch is not None
        return PatchSet(
            pixels, rows, targets, patch, channels, masks=masks.labels, mask_rows=mask_rows
        )
    assert not isinstance(pixels, OwnShapes)
    assert not isinstance(masks.labels, OwnShapes)
    return MaskedImages(pixels, rows, targets, channels, masks=masks.labels, mask_rows=mask_rows)
