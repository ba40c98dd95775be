"""Which networks, losses and image steps that come as data may run here (policy P24)."""

from pathlib import Path

from medfl_client.config.rules import RULES, rule
from medfl_client.config.site_file import Policy
from medfl_client.egress.approvals import status_of
from medfl_client.egress.plugin_rules import allow_plugins
from medfl_common.errors import DisclosureError
from medfl_common.plan.graph_files import graph_files
from medfl_common.plan.plan import Plan


def refuse_networks(plan: Plan, policy: Policy) -> None:
    """Raise DisclosureError where a plan brings what the policy does not list, or bare."""
    listed = policy.networks if isinstance(policy.networks, list) else []
    for one in graph_files(plan):
        if one.sha256 in listed:
            continue
        if policy.networks != "any":
            raise _refused(
                f"the plan brings {one.file} as data, SHA-256 {one.sha256}, and this site has not "
                "listed it",
                "medfl-client approve shows it in words. To allow it, write under policy in "
                f"site.yaml: networks: [{', '.join([*listed, one.sha256])}]",
            )
        is_protected = plan.privacy.noise is not None or plan.privacy.secure_sum is not None
        if not is_protected and not policy.bare_networks:
            raise _refused(
                f"the plan brings {one.file} as data, and has neither noise nor secure sums",
                "ask the coordinator for privacy.noise or privacy.secure_sum, list the file's "
                f"SHA-256 under networks: [{one.sha256}], or set bare_networks: true",
            )


def allow_kept(plan: Plan, policy: Policy, state: Path) -> None:
    """Import the plugins of a kept model, and see that its graphs may run; else DisclosureError.

    A graph may run here that the policy lists, or that a plan has which was approved here: nothing
    leaves, so that it needs no protection.
    """
    allow_plugins(plan, policy)
    if not plan.brings_data or policy.networks == "any":
        return
    if status_of(state, plan.hash()) != "approved":
        refuse_networks(plan, policy)


def _refused(what: str, todo: str) -> DisclosureError:
    error = DisclosureError(f"{what} {rule('networks')}", todo=todo, data="no data was read")
    error.rule = RULES["networks"][0]
    return error
