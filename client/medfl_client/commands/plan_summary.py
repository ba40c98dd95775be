"""Describe a plan in plain words, for the person at the hospital who decides about it."""

import math

from medfl_client.commands.graph_in_words import graph_rows
from medfl_client.commands.plan_noise import leaves, protection, rounds_and_steps, scores, step
from medfl_client.commands.plan_risks import risks
from medfl_client.training.objectives import objective_class
from medfl_common.metrics.box_counts import N_BOX_BINS, N_COARSE_BOX_BINS
from medfl_common.metrics.box_numbers import box_shapes
from medfl_common.metrics.counts import N_BINS
from medfl_common.metrics.mask_numbers import shapes as mask_shapes
from medfl_common.metrics.site_statistics import lengths
from medfl_common.metrics.subgroups import group_names
from medfl_common.plan.differences import differences as changes
from medfl_common.plan.halves import at_coordinator, at_sites, own_layers
from medfl_common.plan.images import Images
from medfl_common.plan.model_choice import ModelChoice, WeightsFile
from medfl_common.plan.plan import Plan
from medfl_common.plan.primary import in_words
from medfl_common.plan.training import Augmentation
from medfl_common.wire.cost import build_empty
from medfl_common.wire.tensors import WHOLE, Shapes, codec_of, size_of

Rows = list[list[str]]

SAMPLES = {
    "image": "image", "series": "series", "study": "study", "candidate": "candidate position",
}  # fmt: skip
SCORES = "the number of scored images, their mean loss to three digits, counts of right and wrong "

MASK_SCORES = (
    "the number of scored images, their mean loss to three digits; for each class means "
    "and deviations over images, histograms of images by Dice, surface distance and volume in 10 "
    "bins, at the end 50, and at the end the voxels and lesions that are found, missed or in "
    "excess, added up over images, and how alike the images of a patient are; classes and bins of "
    "few images stay (policy P5). No mask leaves"
)


BOX_SCORES = (
    "the number of scored images, their mean loss to three digits; for each class the numbers of "
    "images with it and without, of true boxes, and by the model's confidence in "
    f"{N_COARSE_BOX_BINS} bins, at the end {N_BOX_BINS}, those of boxes that are found or false "
    "and of the images behind them; at the end how alike the boxes of a patient are; classes and "
    "bins of few images stay (policy P5). No box and no place leaves"
)
LABELS = {"segmentation": "mask", "detection": "set of boxes"}  # of other tasks: label


def summarise(plan: Plan) -> Rows:
    """List rows of (question, answer)."""
    n, rounds = n_weights(plan), plan.federation.rounds
    mb, label = reply_mb(plan), LABELS.get(plan.task.type, "label")
    validation = f"{plan.evaluation.validation:.0%} of the patients here"
    rows = [
        ["study", f"{plan.study}, plan {plan.hash()[:12]}"],
        ["what the model learns", _question(plan)],
        ["which images medfl reads", _data(plan.images, label)],
        ["what else medfl reads", _extras(plan)],
        ["what medfl trains", f"the network {_network(plan.model)}{_start(plan)}; {n:,} weights"],
        *graph_rows(plan),
        ["algorithm", plan.federation.strategy],
        ["how", _how(plan)],
        ["each step", _step(plan)],
        ["who takes part", _who(plan)],
        ["kept apart", f"{validation} are for validation; the model never trains on them"],
        [
            "what leaves each round",
            f"an update of {n:,} weights{_form(plan)}, {_numbers(plan)}; {mb:.2f} MB. No image, "
            "header, name or path",
        ],
        ["what stays here between rounds", _stays(plan)],
        ["which scores", _scores(plan)],
        *_aim(plan),
        ["before the first round", _statistics(plan)],
        ["in all", f"{_total_mb(plan):,.1f} MB leave if the study makes all {rounds} rounds"],
        ["protection", protection(plan)],
        *(["what an update could show", risk] for risk in risks(plan)),
    ]
    return [[question, _printable(answer)] for question, answer in rows]


def _aim(plan: Plan) -> Rows:
    own = plan.evaluation.primary
    if own is None:
        return []
    words = in_words(own, plan.evaluation.specificity, plan.images.distance_unit)
    return [["what it is to show", words]]


def differences(before: Plan, now: Plan) -> Rows:
    """List rows of (setting, before, now) for every setting that differs."""
    return [[_printable(text) for text in row] for row in changes(before, now)]


def n_weights(plan: Plan) -> int:
    """Count the weights that go both ways each round."""
    return sum(math.prod(shape) for shape in _shared(plan).values())


def reply_mb(plan: Plan) -> float:
    """Estimate one round's reply: weights in the plan's form, counts of 8 bytes."""
    update = size_of(_shared(plan), codec_of(plan.federation.messages))
    return (update + 8 * _n_counts(plan)) / 1e6


def _shared(plan: Plan) -> Shapes:
    model = build_empty(plan)
    return {name: model.shapes[name] for name in model.names("shared")}


def _n_counts(plan: Plan) -> int:
    if plan.task.has_masks:
        return sum(map(math.prod, mask_shapes(len(plan.task.foreground)).values()))
    if plan.task.has_boxes:
        return sum(map(math.prod, box_shapes(len(plan.task.foreground)).values()))
    return math.prod(plan.task.confusion_shape) + 2 * plan.task.n_outputs * N_BINS


def _total_mb(plan: Plan) -> float:
    groups = sum(len(names) for names in group_names(plan).values())
    last = 8 * _n_counts(plan) * (1 + groups) / 1e6
    return plan.federation.rounds * reply_mb(plan) + last


def _question(plan: Plan) -> str:
    names = ", ".join(plan.task.classes)
    if plan.task.type == "multilabel":
        return f"which of these findings an image has: {names}"
    if plan.task.type == "ordinal":
        return f"which of these grades it is, from least to most: {names}"
    if plan.task.has_masks:
        place = "pixel" if plan.images.dimensions == 2 else "voxel"
        return f"which of these each {place} of an image is: {names}"
    if plan.task.has_boxes:
        return f"where in an image are: {names}"
    return f"which of these it is: {names}"


def _data(images: Images, what: str) -> str:
    kinds = " or ".join(images.modality)
    views = "" if images.view == "any" else f" with view {' or '.join(images.view)}"
    views += "" if images.plane == "any" else f" of the {images.plane} plane"
    views += f" and {' and '.join(images.image_types)} pictures" if images.image_types else ""
    size = " x ".join(str(side) for side in images.shape[1:])
    per, most = SAMPLES[images.sample], ""
    if images.patch is not None:
        window = " x ".join(map(str, images.window))
        most = f" at the most, and trained on in patches of {window}"
    where = f"{kinds} images{views} in data.folder, one {what} per {per}"
    return f"{where}, brought to {size} pixels{most}"


def _extras(plan: Plan) -> str:
    groups = plan.evaluation.subgroups
    also = f"; {', '.join(groups)} of each image, for scores by group" if groups else ""
    what = {"segmentation": "masks", "detection": "boxes"}.get(plan.task.type, "labels")
    return f"the {what} that the site file names, and a fixed list of DICOM tags{also}"


def _network(model: ModelChoice) -> str:
    return model.in_words() if model.file is None else f"{model.called}, as below"


def _start(plan: Plan) -> str:
    choice, frozen = plan.model.weights, plan.model.freeze != "none"
    start = {
        "none": "from random weights",
        "imagenet": "from weights learnt on photographs",
    }
    words = (
        "from the coordinator's weights"
        if isinstance(choice, WeightsFile)
        else start.get(choice, f"from published weights ({choice})")
    )
    if plan.model.adapters is not None:
        return f", {words}, frozen; trained are {plan.model.adapters.in_words()}, and the head"
    part = "its encoder" if plan.task.is_dense and plan.model.freeze == "all" else "its first part"
    return f", {words}" + (f", {part} frozen" if frozen else "")


def _how(plan: Plan) -> str:
    rounds, noise = plan.federation.rounds, plan.privacy.noise
    if noise is not None:
        return rounds_and_steps(noise, rounds)
    return f"{rounds} rounds, {_epochs(plan)} over the training images in each"


def _numbers(plan: Plan) -> str:
    if plan.privacy.noise is not None:
        return leaves(plan.privacy.noise)
    return (
        f"the numbers of images and steps, the mean training loss{_start_loss(plan)}, the time, "
        "and whether a GPU worked"
    )


def _epochs(plan: Plan) -> str:
    training = plan.training
    if training.epochs_range is None:
        return f"{training.epochs} times"
    return (
        f"{training.epochs} times (or {training.fewest_epochs} to {training.most_epochs}, as "
        "compute.epochs says here)"
    )


def _step(plan: Plan) -> str:
    training, schedule = plan.training, plan.training.schedule
    rate = "" if schedule.kind == "constant" else f", {schedule.kind} schedule"
    warmup = f", warm-up of {schedule.warmup_rounds} rounds" if schedule.warmup_rounds else ""
    noise = plan.privacy.noise
    own = f"its own loss {training.own_loss}; " if training.own_loss else ""
    of = step(noise) if noise is not None else f"{training.batch_size} images"
    return (
        f"{of}, {training.optimizer}, learning rate {training.lr:g}{rate}"
        f"{warmup}; {own}{_changes(training.augmentation)}"
    )


def _changes(augmentation: Augmentation) -> str:
    """Say how many of the images change, and by what."""
    changes = augmentation.changes()
    if not changes:
        return "images do not change at random"
    names = ", ".join(n if v is True else f"{n} {v:g}" for n, v in changes.items())
    return f"{augmentation.share:.0%} of the images change at random by: {names}"


def _who(plan: Plan) -> str:
    federation = plan.federation
    drawn = federation.sites_per_round
    asked = "every hospital is asked" if drawn is None else f"{drawn} hospitals are drawn and asked"
    n = "all of them" if federation.min_sites == "all" else f"at least {federation.min_sites}"
    return f"in each round {asked}; it counts if {n} answer"


def _scores(plan: Plan) -> str:
    if plan.privacy.noise is not None:
        return scores(plan.privacy.noise)
    if plan.task.has_masks:
        return MASK_SCORES
    if plan.task.has_boxes:
        return BOX_SCORES
    groups = ", ".join(plan.evaluation.subgroups)
    last = f"; for the final model also by {groups}" if groups else ""
    if plan.evaluation.feature_statistics:
        last += "; once, mean and covariance of what it sees in images (16 features, policy P19)"
    if plan.evaluation.membership:
        last += "; once, counts of trained and other images by how well the model knows them"
    return (
        f"{SCORES}by class, histograms of the scores in 32 bins, at the end 128, with how alike "
        f"the images of a patient are{last}; small counts stay (policy P5)"
    )


def _form(plan: Plan) -> str:
    update = plan.federation.messages.update
    return "" if update == WHOLE else f" as {update}"


def _start_loss(plan: Plan) -> str:
    asked = at_coordinator(plan.federation).needs_start_loss
    return ", the same before training" if asked else ""


def _stays(plan: Plan) -> str:
    layers = [f"the {layers} layers" for layers in sorted(own_layers(plan))]
    objective_class(plan)  # raises where it keeps something that its traits do not name
    kept = [words] if (words := at_sites(plan).kept_at_site) else []
    codec = codec_of(plan.federation.messages)
    left_out = ["what the short messages leave out"] if codec and codec.feeds_back else []
    return ", ".join([*layers, *kept, *left_out]) or "nothing of the model"


def _statistics(plan: Plan) -> str:
    if not plan.federation.statistics:
        return "no counts of the data leave"
    names = ", ".join(lengths(0))
    flow = (
        "; files that take no part, with their patients, by a fixed list of reasons; images by "
        "training, validation and test part and by class, age, sex, view and scanner maker "
        "(policies P5 and P7)"
    )
    told = flow if plan.federation.participants else ""
    return f"counts of samples, patients and files left out, and by band: {names}{told}"


def _printable(text: str) -> str:
    """Show what a terminal would obey, such as an escape sequence in a class name, as text."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
