"""Settings that a plan gives and its algorithm does not read: most likely a mistake."""

from collections.abc import Iterator

from medfl_common.plan.algorithms import ALGORITHMS, Algorithm
from medfl_common.plan.halves import algorithms_of
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import Settings


def unused_settings(plan: Plan) -> list[str]:
    """Say of each such setting whose it is."""
    federation, own = plan.federation, algorithms_of(plan)
    every = [ALGORITHMS.get(name) for name in ALGORITHMS.names()]
    options = sorted({key for a in own for key in a.options.model_fields})
    hint = f"{federation.strategy} has {', '.join(options) or 'none'}"
    return [
        *(
            f"federation.options.{key} is an option of {_names(every, key)}; {hint}"
            for key in given(federation.options)
            if key not in options
        ),
        *(
            f"federation.{key} is a setting of {_names(every, key)}, not of {federation.strategy}"
            for key in given(federation)
            if _readers(every, key) and not _readers(own, key)
        ),
    ]


def given(settings: Settings) -> Iterator[str]:
    """Give the keys that a person wrote, also where they wrote the default.

    A plan that medfl wrote holds every key; there, those that have another value than the default.
    """
    fields, written = type(settings).model_fields, settings.model_fields_set
    for key, field in fields.items():
        is_other = getattr(settings, key) != field.get_default(call_default_factory=True)
        if is_other or (key in written and written != fields.keys()):
            yield key


def _readers(algorithms: list[Algorithm], key: str) -> list[str]:
    return [a.name for a in algorithms if key in a.settings or key in a.options.model_fields]


def _names(algorithms: list[Algorithm], key: str) -> str:
    return ", ".join(_readers(algorithms, key))
