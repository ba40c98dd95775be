"""The pages by their file names."""

from collections.abc import Callable

from tools.reference.algorithms import algorithms
from tools.reference.commands import commands
from tools.reference.directories import directories
from tools.reference.errors import error_codes
from tools.reference.index import index
from tools.reference.metrics import metrics
from tools.reference.models import models
from tools.reference.operators import listed
from tools.reference.plan import plan
from tools.reference.policy import policy
from tools.reference.scenario import scenario
from tools.reference.schema import schema
from tools.reference.site import site

PAGES: dict[str, Callable[[], str]] = {
    "README.md": index,
    "plan.md": plan,
    "plan.schema.json": schema,
    "site.md": site,
    "policy.md": policy,
    "scenario.md": scenario,
    "commands.md": commands,
    "algorithms.md": algorithms,
    "models.md": models,
    "operators.md": listed,
    "metrics.md": metrics,
    "errors.md": error_codes,
    "directories.md": directories,
}
