"""Whether a plan and a site want a file of the index, or why they do not."""

from medfl_client.config.site_file import DataFiles
from medfl_client.data.dicom.header import Row
from medfl_client.data.dicom.kinds import special_kind
from medfl_client.data.dicom.plane import plane_name
from medfl_client.data.listing import NO_IMAGES
from medfl_client.data.reason_codes import CodedReason
from medfl_common.plan.images import Images

BURNED_IN = CodedReason(
    "text may be written into the image (data.burned_in: leave out)", "burned_in"
)
WANTED = CodedReason("")


def why_unwanted(row: Row, images: Images, data: DataFiles) -> CodedReason:
    """Say why a file takes no part, by its row alone; empty: it may."""
    if row.reason:
        return CodedReason(row.reason, "no_image" if row.reason in NO_IMAGES else "unreadable")
    if row.modality not in images.modality:
        return CodedReason(f"modality {row.modality or 'missing'}: not in the plan", "modality")
    if images.view != "any" and row.view not in images.view:
        return CodedReason(f"view {row.view or 'missing'}: not in the plan", "view")
    if images.plane != "any" and (plane := plane_name(row.orientation)) != images.plane:
        return CodedReason(f"plane {plane or 'missing'}: not in the plan (images.plane)", "plane")
    kind, word = special_kind(row.image_type)
    if kind and kind not in images.image_types:
        text = f"ImageType (0008,0008) has {word}: no {kind} in the plan (images.image_types)"
        return CodedReason(text, "image_type")
    return BURNED_IN if row.burned_in and data.burned_in == "leave out" else WANTED
