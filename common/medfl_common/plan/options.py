"""The options of all algorithms as one group of settings: the keys of `federation.options`."""

from copy import copy
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import create_model
from pydantic.fields import FieldInfo

from medfl_common.plan.algorithms import ALGORITHMS
from medfl_common.plan.settings import Settings

Own = TypeVar("Own", bound=Settings)


def own_options(options: Settings, kind: type[Own]) -> Own:
    """Give one algorithm's options out of all."""
    return kind(**{key: getattr(options, key) for key in kind.model_fields})


def _all_options() -> type[Settings]:
    """Join the algorithms' options; ValueError where two algorithms mean other things by a key."""
    found: dict[str, FieldInfo] = {}
    owners: dict[str, list[str]] = {}
    for name in ALGORITHMS.names():
        for key, field in ALGORITHMS.get(name).options.model_fields.items():
            known = found.setdefault(key, copy(field))
            owners.setdefault(key, []).append(f"`{name}`")
            if _meaning(known) != _meaning(field):
                raise ValueError(f"{name}'s option {key} has another range or default elsewhere")
    for key, field in found.items():
        field.description = f"{', '.join(owners[key])}: {field.description}"
    fields: dict[str, Any] = {key: (field.annotation, field) for key, field in found.items()}
    doc = "Numbers of the algorithms; an algorithm's file says its own."
    return create_model("Options", __base__=Settings, __doc__=doc, **fields)


def _meaning(field: FieldInfo) -> tuple[object, ...]:
    return field.annotation, field.default, field.metadata


if TYPE_CHECKING:
    Options = Settings
else:
    Options = _all_options()
