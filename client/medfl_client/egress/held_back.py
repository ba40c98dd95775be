"""The refusal of what would leave."""

from medfl_client.config.rules import RULES, rule
from medfl_common.errors import DisclosureError


def held_back(what: str, setting: str = "") -> DisclosureError:
    """Make the error that names what was wrong and, where one decided, the policy's rule."""
    reason = f" {rule(setting)}" if setting else ""
    error = DisclosureError(f"{what}{reason}", data="nothing was sent")
    error.rule = RULES[setting][0] if setting else ""
    return error
