"""The settings in which two plans differ."""

from medfl_common.plan.bounds import Value
from medfl_common.plan.plan import Plan

Change = tuple[str, str, str]  # setting, before, now


def differences(before: Plan, now: Plan) -> list[Change]:
    """List every setting that differs, in the plan's order."""
    old, new = _flat(before.model_dump(mode="json")), _flat(now.model_dump(mode="json"))
    return [
        (name, old.get(name, "not set"), new.get(name, "not set"))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _flat(values: dict[str, Value], path: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in values.items():
        key = f"{path}{name}"
        found |= _flat(value, f"{key}.") if isinstance(value, dict) else {key: _shown(value)}
    return found


def _shown(value: Value) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
