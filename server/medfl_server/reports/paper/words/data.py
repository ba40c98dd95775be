"""Which images took part, what became of them, and who got into which part."""

from medfl_common.metrics.site_statistics import SIDES, SLICES, SPACINGS, band_names
from medfl_common.plan.images import DicomWindow, FixedWindow, Images, PercentileWindow
from medfl_common.plan.plan import Plan
from medfl_server.reports.paper.facts import Facts

SAMPLES = {
    "image": "Each image is one sample.",
    "series": "Each series is one sample",
    "study": "Of each study the series with the most images is one sample",
    "candidate": "Each listed position is one sample: the patch around it.",
}
REFUSED = (
    "Files that could not be decoded, had no label of the plan's classes or did not fit were left "
    "out at the hospital, which keeps a list of each with its reason."
)
HIDDEN = (
    "Images stayed at the hospitals. No message has a place for an image, a header, a name or a "
    "path; patients are told apart by keyed hashes (HMAC-SHA256) that stay at the hospital. What "
    "left were weights and counts, small counts withheld by each hospital's policy."
)
SIMULATED = (
    "Simulated hospitals on one machine: whoever ran the study had all images and labels, no image "
    "travelled, and no hospital's policy held anything back."
)


def hidden(facts: Facts) -> str:
    """Say what of patients leaves a hospital; in a simulation there is none to leave."""
    return HIDDEN if facts.read is None else SIMULATED


def eligibility(facts: Facts) -> str:
    """Say which images took part and which did not."""
    images = facts.plan.images
    found = [f"Images of the DICOM modality {' or '.join(images.modality)}"]
    if images.view != "any":
        found.append(f"with ViewPosition {' or '.join(images.view)}")
    if images.plane != "any":
        found.append(f"in the {images.plane} plane (within 37 degrees)")
    special = ", ".join(images.image_types) or "none"
    return (
        f"{' '.join(found)} took part. Special pictures (localizers, mosaics, screen saves, "
        f"subtractions) were left out; taken in: {special}. {REFUSED}"
    )


def preprocessing(facts: Facts) -> str:
    """Say how a stored value becomes what the network sees."""
    images = facts.plan.images
    order = (
        "Stored values went through the modality table or rescale, "
        f"{_window(images)}, and inversion where the header asks for it (DICOM PS3.4 N.2)."
    )
    depth = f", {images.bits} bits a pixel in the cache"
    step = "" if images.graph is None else f" The step on each image is {images.graph}."
    return (
        f"{order} {_size(images)}{depth}. {_channels(images)} Black is -2 and white 2 as input."
        f"{step}"
    )


def subsets(facts: Facts) -> str:
    """Say which part of a file, series or study became a sample."""
    images, plan = facts.plan.images, facts.plan
    text = SAMPLES[images.sample]
    if images.sample in ("series", "study"):
        text += ", as a volume." if images.dimensions == 3 else ", by its middle image."
    elif images.dimensions == 2 and images.sample == "image":
        which = "its middle frame" if images.frames == "middle" else "each of its frames"
        text += f" A multi-frame file gives {which}."
    if images.patch is not None:
        window = " x ".join(map(str, images.window))
        text += (
            f" Training saw patches of {window}, {images.patch.foreground:.0%} of them around a "
            "voxel of a class or a box; whole volumes were scored through a window of that size."
        )
    elif images.spacing_mm is not None:
        text += f" What is larger than {images.size} pixels was cropped around the centre."
    return text + _limit(plan)


def missing(facts: Facts) -> str:
    """Say what happens to what is missing, and how much was."""
    text = f"{REFUSED} Nothing was imputed."
    if facts.plan.task.type == "multilabel":
        text += " A finding without a label is left out of the loss and of the scores."
    n = sum(len(event.missing) for event in facts.rounds)
    text += (
        " A hospital that does not answer in a round is left out of that round's aggregation "
        f"(missed answers in rounds: {n})."
    )
    return text


def acquisition(facts: Facts) -> str:
    """Say which sizes and distances images have, where hospitals told."""
    told = [*facts.statistics.values()]
    if not told:
        return ""
    lists = (
        ("longer side", "sides", band_names(SIDES, "pixels")),
        ("between pixels", "spacings", band_names(SPACINGS, "mm")),
        ("slice thickness", "slices", band_names(SLICES, "mm")),
    )
    found = []
    for what, name, bands in lists:
        sums = [sum(column) for column in zip(*(getattr(one, name) for one in told), strict=True)]
        shown = [f"{band}: {n}" for band, n in zip(bands, sums, strict=True) if n]
        if shown and not (len(shown) == 1 and shown[0].startswith("not known")):
            found.append(f"{what}, images: {'; '.join(shown)}")
    if not found:
        return ""
    return f"As {len(told)} hospitals told, small counts apart. {'. '.join(found)}."


def split(facts: Facts) -> str:
    """Say how patients were assigned to parts."""
    plan = facts.plan.evaluation
    return (
        f"Within each hospital and class, patients were ranked by a keyed hash (HMAC-SHA256, the "
        f"key stays there): {plan.test:.0%} test, {plan.validation:.0%} validation, the others "
        "training; or as the hospital's own list gives the parts. A hospital where the test part "
        "would be fewer than 10 patients has none. Hospitals that only score train on nobody."
    )


def disjoint(facts: Facts) -> str:
    """Say at which level parts are disjoint, and where that is not sure."""
    text = (
        "Training, validation and test parts are disjoint by patient within a hospital; patients "
        "who share an identifying image count as one. A patient seen at two hospitals is not "
        "recognised."
    )
    n_own = sum(one.n_own_patients for one in facts.read.sources.values()) if facts.read else 0
    if n_own:
        text += f" Of {n_own} images nothing says whose they are: each counts as a patient."
    return text


def _window(images: Images) -> str:
    rule = images.intensity
    if isinstance(rule, FixedWindow):
        return f"one window for all (centre {rule.centre:g}, width {rule.width:g})"
    if isinstance(rule, PercentileWindow):
        return f"a window between the image's own percentiles {rule.low:g} and {rule.high:g}"
    assert isinstance(rule, DicomWindow)
    return "the window or VOI table of the file"


def _size(images: Images) -> str:
    sides = " x ".join(str(side) for side in images.shape[1:])
    if images.voxel_mm is None:
        return f"Images were fitted into {sides} pixels in their own shape and padded with black"
    mm = " x ".join(f"{side:g}" for side in images.voxel_mm)
    return f"Images were resampled to {mm} mm, then cropped or padded with black to {sides}"


def _channels(images: Images) -> str:
    if images.colour:
        return "Red, green and blue are three channels."
    return "The grey image fills three channels." if images.channels == 3 else "One grey channel."


def _limit(plan: Plan) -> str:
    noise = plan.privacy.noise
    if noise is None:
        return ""
    return f" Hospitals with fewer than {noise.least_patients} patients to train on took no part."


def deidentification(facts: Facts) -> str:
    """Say what keeps patients unidentifiable."""
    return hidden(facts)


def predictors(facts: Facts) -> str:
    """Say what the model sees."""
    return "The model sees the pixels of an image; no header value and no clinical fact."


def sheet(facts: Facts) -> str:
    """Say how data were selected, prepared and divided."""
    return " ".join([eligibility(facts), preprocessing(facts), split(facts)])
