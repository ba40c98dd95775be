"""Every key of a study plan."""

from tools.reference.keys import sections
from tools.reference.markdown import page

from medfl_common.plan.plan import Plan

INTRO = """A study plan is one YAML file, data and never code. An unknown key, a wrong type and a
value out of range are errors that name the key. The hash of a plan covers every value, defaults
included. [plan.schema.json](plan.schema.json) gives editors completion: keep the first line of
the plans in `configs/`, or set `$schema` to its address.

Which names there are: [algorithms](algorithms.md) with their options, [models](models.md),
[metrics](metrics.md)."""


def plan() -> str:
    """Give the page."""
    return page("Plan: every key", INTRO, *sections(Plan, "plan"))
