"""What is proposed for a setting, and why: from what hospitals counted, else from experience."""

from math import ceil
from typing import NamedTuple, get_args

from medfl_common.plan.bounds import Value
from medfl_common.plan.images import Plane
from medfl_server.planning.known import Known

NEGATIVE = {
    "normal", "no", "negative", "neg", "healthy", "benign", "without", "none", "0", "absent",
    "false", "no finding",
}  # fmt: skip
SLICED = {"CT", "MR", "PT"}  # modalities whose images lie in planes
KIN = ({"CR", "DX"},)  # modalities that show the same
STEPS = 20  # that a hospital should make in a round, at least
MOST_EPOCHS = 5
FEW_IMAGES = 200  # of a hospital
RARE = 0.2  # share of a class that is made up for
NO_TEST = 67  # patients, below which a hospital has no test part by default
MIN_IMAGES, MIN_CELL = 20, 10  # what hospitals' policies usually say


class Choice(NamedTuple):
    """A value and its reason."""

    value: Value
    why: str


def classes(known: Known) -> Choice:
    """Propose the classes: the hospitals' labels, the negative one first."""
    if known.plan is not None:
        return Choice([*known.plan.task.classes], "as in the earlier study")
    counts = known.total("labels")
    spelt: dict[str, str] = {}  # one word for those that differ in letter case alone
    for name, _ in counts.most_common():
        spelt.setdefault(name.strip().casefold(), name.strip())
    words = sorted(spelt, key=lambda name: name not in NEGATIVE)
    told = ", ".join(f"{name} {n:,}" for name, n in counts.most_common(8))
    return Choice([spelt[name] for name in words], f"hospitals have {told}" if told else "")


def kind_of_task(names: list[str], known: Known) -> Choice:
    """Propose the kind of question."""
    if known.plan is not None:
        return Choice(known.plan.task.type, "as in the earlier study")
    if len(names) == 1:
        return Choice("detection", "one class alone: where in an image it is")
    if len(names) == 2:
        return Choice("binary", f"two classes: {names[0]} is the negative one")
    return Choice("multiclass", "each image has one class; multilabel: none, one or many findings")


def modality(known: Known) -> Choice:
    """Propose the modalities that hospitals have."""
    counts = known.total("modality")
    if not counts:
        earlier: list[Value] = [*known.plan.images.modality] if known.plan is not None else []
        return Choice(earlier, "as in the earlier study" if earlier else "")
    told = ", ".join(f"{name} {n:,}" for name, n in counts.most_common())
    first = counts.most_common(1)[0][0]
    kin = next((kin for kin in KIN if first in kin), {first})
    names: list[Value] = [name for name, _ in counts.most_common() if name in kin]
    return Choice(names, f"hospitals have {told}")


def plane(known: Known) -> Choice:
    """Propose the plane of slices."""
    counts = known.total("plane")
    named = {name: n for name, n in counts.items() if name in get_args(Plane)}
    if len(named) < 2:
        only = "".join(f"hospitals told of {name} slices only" for name in named)
        return Choice("any", only or "nobody told of planes")
    told = ", ".join(f"{name} {n:,}" for name, n in named.items())
    likely = max(named, key=lambda name: named[name])
    return Choice(likely, f"hospitals have {told}; one network sees one plane best")


def sample(known: Known) -> Choice:
    """Propose what has one label."""
    n_series = sum(site.series for site in known.sites)
    each = sum(site.images for site in known.sites if site.series) / max(n_series, 1)
    if each > 3:
        return Choice(
            "series",
            f"a series has {each:.0f} images; with one label for all, its middle image is taken",
        )
    return Choice("image", "each image has a label of its own")


def size(known: Known) -> Choice:
    """Propose the pixels on a side."""
    side = known.middle_side
    if side < 0:
        return Choice(128, "a start: small enough for any machine, and shows most findings")
    if side >= 256:
        return Choice(224, f"most images have {side} pixels or more; published networks see 224")
    fit = 128 if side >= 128 else 64
    return Choice(fit, f"the middle image has few pixels (from {side}); more would be made up")


def network(pixels: int, is_dense: bool) -> Choice:
    """Propose the network."""
    if is_dense:
        return Choice("unet", "the usual one for masks and boxes")
    if pixels <= 64:
        return Choice("small_cnn", "enough for images of this size; quick on any processor")
    return Choice("resnet18", "a common start; medfl-server models lists others and their cost")


def quorum(n_hospitals: int) -> Choice:
    """Propose how many hospitals a round needs."""
    if n_hospitals <= 3:
        return Choice("all", "with so few hospitals each one counts")
    needed = ceil(2 * n_hospitals / 3)
    return Choice(needed, f"two thirds of {n_hospitals}: one that is away stops nobody")


def batch_size(known: Known) -> Choice:
    """Propose the images in a step."""
    smallest = min((site.images for site in known.sites), default=0)
    if 0 < smallest < FEW_IMAGES:
        return Choice(16, f"the smallest hospital has {smallest:,} images")
    return Choice(32, "usual")


def epochs(known: Known, batch: int) -> Choice:
    """Propose the passes over a hospital's images in a round."""
    n_train = int(known.middle("images") * 0.65)
    if not n_train:
        return Choice(1, "usual")
    steps = max(n_train // batch, 1)
    n = min(max(ceil(STEPS / steps), 1), MOST_EPOCHS)
    return Choice(n, f"the median hospital then makes {n * steps} steps in a round")


def balance(known: Known, names: list[str]) -> Choice:
    """Propose whether rare classes are made up for."""
    counts = known.total("labels")
    shares = {name: counts[name] / max(counts.total(), 1) for name in names if counts[name]}
    rarest = min(shares, key=lambda name: shares[name], default="")
    if rarest and shares[rarest] < RARE:
        return Choice("weights", f"{rarest} is {shares[rarest]:.0%} of the labels")
    return Choice("none", "no class is known to be rare; weights or sampling make up for one")


def intensity(modalities: list[str]) -> Choice:
    """Propose how values become grey."""
    if modalities == ["MR"]:
        return Choice("percentile", "values of MR have no unit: each image's own range")
    why = "the window that the file carries"
    if "CT" in modalities:
        why += "; for CT, fixed with centre and width in HU is alike everywhere"
    return Choice("dicom", why)


def test_part(known: Known) -> Choice:
    """Propose the part of patients that scores the final model."""
    n = known.middle("patients")
    if 0 < n < NO_TEST:
        return Choice(0.15, f"a hospital of {n} patients is too small for it, and has none")
    return Choice(0.15, "scores the final model, once")


def cautions(known: Known) -> list[str]:
    """Say which hospitals are so small that their usual policy keeps something back."""
    told = []
    for site in known.sites:
        n_train = int(site.images * 0.65)
        if n_train < MIN_IMAGES:
            told.append(
                f"{site.site} would train on some {n_train} images; with fewer than {MIN_IMAGES} "
                "its policy usually lets nothing leave (P4)"
            )
        few = [name for name, n in site.labels.items() if 0 < n * 0.2 < MIN_CELL]
        if few:
            told.append(
                f"{site.site} has few images of {', '.join(few)}: with fewer than {MIN_CELL} of a "
                "class among those that validate, its scores usually stay there (P5)"
            )
    return told
