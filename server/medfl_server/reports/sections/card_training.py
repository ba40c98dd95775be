"""How the model of a card was trained."""

from medfl_common.plan.plan import Plan
from medfl_common.run.events import Event, Finished
from medfl_common.ui.page import Section, Table
from medfl_server.reports.choice import why
from medfl_server.reports.scores import model_round
from medfl_server.reports.sections.answer import who_stopped
from medfl_server.study.run_directory import Study


def training_section(study: Study, event: Finished) -> Section:
    """List network, optimiser, rounds and which of them is the result."""
    plan = study.plan
    stopped = who_stopped(study.log.read(Event), plan)
    start = plan.model.weights if isinstance(plan.model.weights, str) else "a file"
    rows = [
        ["network", plan.model.in_words()],
        ["initial weights", start],
        ["frozen", plan.model.frozen],
        ["optimiser, learning rate", f"{plan.training.optimizer}, {plan.training.lr:g}"],
        _rounds(plan, event.last),
        *([["ended before the plan's last round", stopped]] if stopped else []),
        ["model of round", _round(event)],
        ["strategy", plan.federation.strategy],
    ]  # fmt: skip
    return Section("Training", tables=[Table(["fact", "value"], rows, is_text=True)])


def _rounds(plan: Plan, n: int) -> list[str]:
    noise = plan.privacy.noise
    if noise is not None:
        return ["rounds made, steps a round", f"{n}, {noise.steps} of {noise.draw} drawn patients"]
    return ["rounds made, local epochs a round", f"{n}, {_epochs(plan)}"]


def _epochs(plan: Plan) -> str:
    training = plan.training
    if training.epochs_range is None:
        return str(training.epochs)
    chosen = f"{training.fewest_epochs} to {training.most_epochs}"
    return f"{training.epochs}, or what the site chose of {chosen}"


def _round(event: Finished) -> str:
    because = "" if event.choice is None else f"; {why(event.choice)}"
    return f"{model_round(event)}{because}"
