"""A plan while it is asked for: values by key, each with its reason; and its text with comments."""

from collections.abc import Iterator, Mapping
from typing import Any

from medfl_common.plan.bounds import Value
from medfl_common.plan.commented import entry
from medfl_server.planning.proposals import Choice

HEAD = """\
# Written by medfl-server plan: each value with the reason for it. Change what you know better;
# docs/explanation/plans.md tells what else a plan can say.
"""
GIVEN = "as --set says"
SECTIONS = ("task", "images", "model", "training", "federation", "evaluation")


class Draft:
    """Settings by key, such as `federation.rounds`; what was given first is not overruled.

    Args:
        given: What was said before the first question.
    """

    def __init__(self, given: Mapping[str, Value]) -> None:
        self._given = dict(flat(given))
        self._chosen: dict[str, Choice] = {}

    def __contains__(self, key: str) -> bool:
        """Say whether a key was given, or one below or above it."""
        ways = [(f"{name}.", f"{key}.") for name in self._given]
        return any(own.startswith(asked) or asked.startswith(own) for own, asked in ways)

    def take(self, key: str, choice: Choice) -> None:
        """Set a key, unless it is set or was given."""
        if key in self._given:
            self._chosen[key] = Choice(self._given[key], GIVEN)
        elif key not in self:
            self._chosen.setdefault(key, choice)

    def value(self, key: str) -> Any:
        """Give a key's value."""
        return self._given[key] if key in self._given else self._chosen[key].value

    @property
    def text(self) -> str:
        """Write the plan."""
        given = {key: Choice(value, GIVEN) for key, value in self._given.items()}
        return plan_text({**self._chosen, **given}, HEAD)


def plan_text(every: Mapping[str, Choice], head: str) -> str:
    """Write a plan: a head of comments, then each section's keys with their reasons."""
    lines = [head + entry("plan", 1, "the version of this format")]
    lines += _section({key: c for key, c in every.items() if "." not in key}, 0)
    for section in SECTIONS:
        own = {key: c for key, c in every.items() if key.startswith(f"{section}.")}
        lines += ["", *_section(own, 0)] if own else []
    others = {k: c for k, c in every.items() if "." in k and k.split(".")[0] not in SECTIONS}
    return "\n".join([*lines, *_section(others, 0)]) + "\n"


def flat(given: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Value]]:
    """Give each setting under its whole key."""
    for key, value in given.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _section(choices: Mapping[str, Choice], indent: int) -> Iterator[str]:
    """Write keys; those with a point stand below their first part."""
    done = set()
    for key, choice in choices.items():
        first = key.partition(".")[0]
        if first == key:
            value: Any = choice.value
            yield entry(key, value, choice.why, indent)
        elif first not in done:
            done.add(first)
            own = {k.partition(".")[2]: c for k, c in choices.items() if k.startswith(f"{first}.")}
            yield f"{' ' * indent}{first}:"
            yield from _section(own, indent + 2)
