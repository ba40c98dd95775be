"""The model, its data, and what left the hospitals."""

from collections.abc import Sequence

from medfl_common import __version__
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked, Event, Finished, RoundMade, site_names
from medfl_server.reports.dossier.line import Line, always, yours
from medfl_server.reports.heterogeneity import read_statistics
from medfl_server.study.run_directory import Study

ABOUT_DATA = [
    yours("purpose", "What the model is for, and why it needs these images."),
    yours(
        "controllers",
        "Who decides on purpose and means: each hospital, the coordinator; joint or not (Art. 26).",
    ),
    yours(
        "sources",
        "Where the images come from, of which years, and how patients were informed (Art. 13, 14).",
    ),
    yours(
        "legal basis",
        "Of training, Art. 6 and Art. 9(2) with national law, ethics vote and its number.",
    ),
    yours(
        "selection",
        "Which patients were left out, and why the rest are needed (data minimisation).",
    ),
]
WHO_GETS_IT = [
    always(
        "never", "images, headers, names, file names and texts: no message has a place for them"
    ),
    always("the coordinator", "gets the answers, and the final model"),
    always(
        "the other hospitals",
        "get each round's model, and the final one; no other hospital's answer",
    ),
    always(
        "on the way",
        "TLS of the study's own authority, and each answer is signed; a simulation sends none",
    ),
    yours(
        "recipients of the model",
        "Who gets the final model, under which terms, and where it may run.",
    ),
    yours(
        "retention",
        "How long runs, checkpoints, ledgers and the model are kept, and who deletes them.",
    ),
    yours(
        "third countries",
        "Whether the coordinator or a hospital is outside the EEA, and on which basis.",
    ),
]


def model_and_data(
    study: Study, events: Sequence[Event], finished: Sequence[Finished]
) -> list[Line]:
    """Say which model this is, and of whose images it was made."""
    plan, names = study.plan, site_names(events)
    images = plan.images
    sha256 = finished[-1].sha256 if finished else "the study is not finished"
    n_trained = {
        s: r.n_images for e in events if isinstance(e, RoundMade) for s, r in e.sites.items()
    }
    kind = "declared patients" if plan.privacy.noise else "training images"
    told = ", ".join(f"{site} {n}" for site, n in n_trained.items()) or "none yet"
    hidden = plan.privacy.secure_sum is not None
    reported = read_statistics(study)
    n_patients = sum(one.patients for one in reported[0].values()) if reported else 0
    start = plan.model.weights if isinstance(plan.model.weights, str) else "a file"
    return [
        Line("study, plan", f"{plan.study}, SHA-256 {plan.hash()}"),
        Line("weights, SHA-256", sha256),
        always("software", f"medfl {__version__}"),
        Line("question", f"{plan.task.type}: {', '.join(plan.task.classes)}"),
        Line(
            "network",
            f"{plan.model.in_words()}; initial weights {start}, frozen: {plan.model.frozen}",
        ),
        Line("hospitals", ", ".join(names) or "none yet"),
        Line(
            "images",
            f"{'/'.join(images.modality)}, {images.size} pixels on a side; no header is "
            "used in training",
        ),
        Line(f"{kind} by hospital", "known as sums only" if hidden else told),
        Line(
            "patients",
            f"{n_patients}, small counts apart" if n_patients else "not told by the hospitals",
        ),
        Line(
            "split",
            f"by patient: validation {plan.evaluation.validation:g}, test {plan.evaluation.test:g}",
        ),
        Line("rounds", f"{plan.federation.rounds} by {plan.federation.strategy}"),
        Line("a step", _step(plan)),
        *ABOUT_DATA,
    ]


def leaving(plan: Plan, events: Sequence[Event]) -> list[Line]:
    """Say what left, how much, and who got it."""
    asked = [event for event in events if isinstance(event, Asked)]
    n = sum(len(event.sites) for event in asked)
    size = sum(reply.bytes_received for event in asked for reply in event.sites.values())
    n_refused = sum(len(event.quarantined) for event in asked)
    form = f"changes of weights as {plan.federation.messages.update}"
    if plan.privacy.secure_sum:
        form = "masked changes of weights, of which only sums can be read"
    elif plan.privacy.noise:
        form = "changes of weights with noise"
    scores = [event for event in asked if _has_scores(event)]
    counts = f"in {len(scores)} answers of the hospitals together" if scores else "none left"
    extras = [
        name
        for name, is_on in (
            ("statistics of the data", plan.federation.statistics),
            ("counts of files by reason and of images by part", plan.federation.participants),
            ("scores by subgroup", bool(plan.evaluation.subgroups)),
            ("mean and covariance of features", plan.evaluation.feature_statistics),
            ("counts by membership", plan.evaluation.membership),
        )
        if is_on
    ]
    return [
        Line("messages", f"{n:,} answers with {size:,} bytes were taken, {n_refused} were refused"),
        Line("updates", f"{form}, in each round"),
        Line("missed answers", f"{sum(len(event.missing) for event in asked)}, refused ones too"),
        Line("scores", f"counts by class and histograms, {counts}"),
        Line("besides", ", ".join(extras) or "nothing"),
        *WHO_GETS_IT,
    ]


def _step(plan: Plan) -> str:
    noise, training = plan.privacy.noise, plan.training
    if noise is not None:
        return f"{noise.draw} {noise.per}s on average, {noise.steps} steps a round"
    return f"{training.batch_size} images, {training.epochs} passes a round, {training.optimizer}"


def _has_scores(event: Asked) -> bool:
    """Say whether an event has scores, of hospitals or of their sum."""
    if event.pooled is not None:
        return event.pooled.n_scored is not None
    return any(reply.n_scored is not None for reply in event.sites.values())
