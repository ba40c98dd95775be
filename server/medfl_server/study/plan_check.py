"""Faults of a plan that are seen before a study is made of it, and before any data are read."""

from medfl_common.errors import ConfigError
from medfl_common.models import why_no_network
from medfl_common.plan.algorithms import ALGORITHMS
from medfl_common.plan.halves import at_coordinator
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import faulty
from medfl_common.plan.unused import given, unused_settings
from medfl_common.plugins.loading import admit
from medfl_common.wire.codecs import CODECS
from medfl_common.wire.tensors import WHOLE
from medfl_server.aggregation.aggregator import needs


def check_plan(plan: Plan, source: str) -> None:
    """Raise ConfigError where the plan names what there is not, or sets what nothing reads.

    A plan's plugins are imported first, if those that are installed here are the ones it names.
    """
    admit(plan)
    needs(plan.federation)  # raises where the coordinator's half is missing
    faults = [*_unknown(plan), *unused_settings(plan), *_unused_in_messages(plan)]
    if faults:
        raise faulty(source, faults)


def refuse_simulated(plan: Plan, source: str) -> None:
    """Raise ConfigError where a study of real hospitals could not decide its primary aim."""
    own = plan.evaluation.primary
    if own is not None and own.against != "value":
        raise ConfigError(
            f"{source}: evaluation.primary.against: {own.against} asks for models that only "
            "medfl-sim trains: real hospitals do not put their images in one place, nor train "
            "apart",
            todo="name a value, such as what medfl-sim or another study reached",
            data="no study was made",
        )


def plan_notes(plan: Plan) -> list[str]:
    """Say what a plan asks for that its algorithm does not make up for."""
    strategy = at_coordinator(plan.federation)
    if plan.training.epochs_range is None or strategy.weighs_steps_out:
        return []
    every = (ALGORITHMS.get(name) for name in ALGORITHMS.names())
    better = " or ".join(a.name for a in every if a.weighs_steps_out)
    return [
        "training.epochs_range lets sites make different numbers of steps: under "
        f"{plan.federation.strategy} those that make more pull the model their way; "
        f"federation.strategy: {better} weighs that out"
    ]


def _unknown(plan: Plan) -> list[str]:
    form, forms = plan.federation.messages.update, sorted([WHOLE, *CODECS.names()])
    faults = []
    if reason := why_no_network(plan):
        faults.append(reason)
    if form not in forms:
        faults.append(f"unknown message format {form!r}; known: {', '.join(forms)}")
    return faults


def _unused_in_messages(plan: Plan) -> list[str]:
    messages = plan.federation.messages
    readers = {name: CODECS.get(name)(messages).settings for name in CODECS.names()}
    return [
        f"federation.messages.{key} is a setting of update: {' or '.join(names)}, not of "
        f"{messages.update}"
        for key in given(messages)
        if (names := [n for n, settings in readers.items() if key in settings])
        and messages.update not in names
    ]
