"""The network, its start, its training, and how the result was chosen."""

from collections.abc import Iterator
from importlib.metadata import version

from medfl_common import __version__
from medfl_common.plan.halves import algorithms_of, own_layers
from medfl_common.plan.model_choice import LastLayers, WeightsFile
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked
from medfl_server.reports.choice import why
from medfl_server.reports.model_in_words import output_of, what_it_does
from medfl_server.reports.paper.cost import in_words
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.scores import model_round

START = {
    "none": "Initial weights were drawn from the plan's seed.",
    "imagenet": "Training started from torchvision's weights for ImageNet.",
    "kinetics": "Training started from torchvision's weights for Kinetics-400.",
}
RESTARTED = "The local optimiser began anew in each round."
ONE_MODEL = "No ensemble: the result is one network."
OWN_LAYERS = (
    "No ensemble: each hospital uses one network, of the common layers and those that stay there."
)


def network(facts: Facts) -> str:
    """Describe the network, its input and its output."""
    from medfl_common.wire.cost import sizes  # imports torch

    plan, model = facts.plan, facts.plan.model
    n_weights, _, _ = sizes(plan)
    window = " x ".join(map(str, (plan.images.channels, *plan.images.window)))
    extras = [
        f"{key} {value}"
        for key, value in (
            ("width", model.width), ("levels", model.levels), ("dropout", model.dropout),
            ("residual", model.residual), ("deep supervision", model.deep_supervision),
            ("slices joined by", model.slices),
        )
        if value
    ]  # fmt: skip
    return (
        f"{model.in_words()}, {n_weights:,} weights, norm layers: {model.norm}"
        f"{''.join(f', {extra}' for extra in extras)}. Input: {window} (channels first). "
        f"Output: {output_of(plan)}."
    )


def software(facts: Facts) -> str:
    """Name versions: of the coordinator, and of the hospitals as they told them."""
    told: dict[str, set[str]] = {}
    for event in facts.of_kind(Asked):
        for reply in event.sites.values():
            for name, one in reply.versions.items():
                told.setdefault(name, set()).add(one)
    at_sites = "; ".join(f"{name} {', '.join(sorted(found))}" for name, found in told.items())
    here = f"medfl {__version__} on Flower {version('flwr')} at the coordinator"
    return f"{here}. At the hospitals: {at_sites}." if told else f"{here}."


def start(facts: Facts) -> str:
    """Say what training started from, and what was not trained."""
    choice, freeze = facts.plan.model.weights, facts.plan.model.freeze
    if isinstance(choice, WeightsFile):
        text = f"Training started from a file of weights with the SHA-256 {choice.sha256}."
    else:
        text = START[choice]
    if (adapters := facts.plan.model.adapters) is not None:
        return (
            f"{text} {adapters.in_words().capitalize()} (Hu et al., ICLR 2022) and the head were "
            "trained; of an adapter's two matrices the first stayed as drawn (Sun et al., ICLR "
            "2024). All other weights were frozen."
        )
    if freeze == "none":
        return f"{text} All weights were trained."
    if isinstance(freeze, LastLayers):
        return f"{text} The head and the last {freeze.last} layers before it were trained."
    return f"{text} The layers before the head were frozen."


def training(facts: Facts) -> str:
    """Describe rounds, local training and aggregation with every number of the plan."""
    return " ".join(_training(facts.plan))


def _training(plan: Plan) -> Iterator[str]:
    training, federation, noise = plan.training, plan.federation, plan.privacy.noise
    if noise is None:
        yield (
            f"In each of up to {federation.rounds} rounds every hospital made {training.epochs} "
            f"passes over its training images in batches of {training.batch_size}."
        )
    else:
        yield (
            f"In each of {federation.rounds} rounds every hospital made {noise.steps} steps of "
            f"about {noise.draw} drawn {noise.per}s, clipped at {noise.clip:g}, with Gaussian "
            f"noise of {noise.multiplier:g} clips."
        )
    momentum = f", momentum {training.momentum:g}" if training.optimizer == "sgd" else ""
    yield (
        f"Optimiser {training.optimizer}, learning rate {training.lr:g} ({training.schedule.kind}, "
        f"{training.schedule.warmup_rounds} warm-up rounds){momentum}, weight decay "
        f"{training.weight_decay:g}. {RESTARTED}"
    )
    clip = "none" if training.clip_norm is None else f"{training.clip_norm:g}"
    yield (
        f"Loss: {training.loss}, label smoothing {training.label_smoothing:g}, class balance "
        f"{training.class_balance}; gradients clipped at: {clip}. Number format: "
        f"{training.precision}."
    )
    changes = training.augmentation.changes()
    words = ", ".join(n if v is True else f"{n} {v:g}" for n, v in changes.items())
    share = f" in {training.augmentation.share:.0%} of the images" if words else ""
    yield f"Augmentation: {words or 'none'}{share}."
    yield from _federation(plan)


def _federation(plan: Plan) -> Iterator[str]:
    federation = plan.federation
    papers = ", ".join(dict.fromkeys(a.paper for a in algorithms_of(plan) if a.paper))
    papers = papers or "a rule of this study"
    quorum = "all hospitals" if federation.min_sites == "all" else f"{federation.min_sites}"
    drawn = federation.sites_per_round
    whom = "all hospitals" if drawn is None else f"{drawn} hospitals, drawn anew"
    yield (
        f"Aggregation: {federation.strategy} ({papers}); asked in a round: {whom}; valid answers "
        f"that a round needs: {quorum}; updates travel as {federation.messages.update}. Seed "
        f"{plan.seed}; bit for bit the same on one kind of machine: "
        f"{'yes' if plan.deterministic else 'no'}."
    )
    if layers := own_layers(plan):
        yield f"Layers that stay at each hospital: {', '.join(sorted(layers))}."


def choice(facts: Facts) -> str:
    """Say which round's model is the result, and why; of an unfinished study, the rule."""
    scoring, finished = facts.plan.evaluation, facts.finished
    rule = (
        f"The plan keeps the model that is best by {scoring.metric} on the validation parts"
        if scoring.keep == "best"
        else "The plan keeps the last round's model"
    )
    stop = scoring.early_stop
    rule += f"; {stop} rounds without a better one end the study." if stop else "."
    if finished is None:
        return rule
    made = f" The result is the model of round {model_round(finished)} of {finished.last}"
    reason = "" if finished.choice is None else f": {why(finished.choice, finished.choice.sites)}"
    return f"{rule}{made}{reason}."


def ensemble(facts: Facts) -> str:
    """Say that there is none, whichever layers stay at hospitals."""
    return OWN_LAYERS if own_layers(facts.plan) else ONE_MODEL


def privacy(plan: Plan) -> str:
    """Say in a sentence what protects patients and hospitals."""
    noise, sums = plan.privacy.noise, plan.privacy.secure_sum
    found = []
    if noise is not None:
        found.append(
            f"differential privacy, epsilon {noise.epsilon:g} at delta {noise.delta:g} for one "
            f"{noise.per}"
        )
    if sums is not None:
        found.append(f"secure sums of at least {sums.at_least} hospitals")
    if not found:
        return "Neither noise nor secure sums: nothing bounds what an update tells of a patient."
    return f"Updates were protected by {' and '.join(found)}."


def building(facts: Facts) -> str:
    """Say how the model was built: network, start, training, choice."""
    return " ".join([network(facts), start(facts), training(facts), choice(facts)])


def design(facts: Facts) -> str:
    """Say what the model does, what it optimises and what it gives."""
    plan = facts.plan
    return (
        f"{what_it_does(plan)} Training minimises the loss {plan.training.loss} on hospitals' "
        f"images. Output: {output_of(plan)}. {privacy(plan)}"
    )


def resources(facts: Facts) -> str:
    """Say what network it is, and what training cost."""
    return " ".join(text for text in (network(facts), in_words(facts)) if text)


def updated(facts: Facts) -> str:
    """Say that a finished model is not changed by its scores; empty before."""
    if facts.finished is None:
        return ""
    return (
        "The final model was not updated or recalibrated after it was scored. The temperature and "
        "thresholds that the validation part suggests are told beside it."
    )


def imbalance(facts: Facts) -> str:
    """Say what makes up for rare classes."""
    kind = facts.plan.training.class_balance
    words = {
        "none": "No method against imbalance of classes was used.",
        "weights": "Rare classes weigh more in the loss, by one over their share at a hospital.",
        "sampling": "Images of rare classes are drawn more often, by one over their share at a "
        "hospital.",
    }
    return words[kind]
