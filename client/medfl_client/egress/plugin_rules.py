"""Which plugins a plan may bring into play here (policy P25); none is imported before that."""

from medfl_client.config.rules import RULES, rule
from medfl_client.config.site_file import Policy
from medfl_common.errors import DisclosureError
from medfl_common.plan.plan import Plan
from medfl_common.plugins.loading import admit, why_not_here

ASK = "ask your IT department; medfl-client plugins lists what is installed here"
TO_LIST = f"{ASK}, with the line that allows it, under policy in site.yaml"


def refuse_plugins(plan: Plan, policy: Policy) -> None:
    """Raise DisclosureError where the policy does not list a plugin, or another one is here."""
    for plugin in plan.plugins:
        if not any(plugin.is_same(allowed) for allowed in policy.plugins):
            known = ", ".join(map(str, policy.plugins)) or "none"
            raise _refused(f"the plan needs the plugin {plugin}, allowed here: {known}", TO_LIST)
        if reason := why_not_here(plugin):
            raise _refused(reason)


def allow_plugins(plan: Plan, policy: Policy) -> None:
    """Import the plugins of a plan where the policy allows them; else DisclosureError.

    Raises ConfigError where they do not bring what the plan names.
    """
    refuse_plugins(plan, policy)
    admit(plan)


def _refused(what: str, todo: str = ASK) -> DisclosureError:
    error = DisclosureError(f"{what} {rule('plugins')}", todo=todo, data="no data was read")
    error.rule = RULES["plugins"][0]
    return error
