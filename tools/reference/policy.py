"""The rules of a hospital's policy."""

from tools.reference.keys import show_type
from tools.reference.markdown import code, page, table

from medfl_client.config.rules import RULES
from medfl_client.config.site_file import Policy

INTRO = """The section `policy` of `site.yaml` says what the hospital allows; it beats every plan.
Every refusal names its rule. What is refused stays at the hospital, and so does the reason: the
coordinator learns a [code](errors.md)."""
HEADER = ("rule", "key", "what it does", "values", "default")


def policy() -> str:
    """Give the page."""
    shown = Policy.model_json_schema()["properties"]
    rows = []
    for key, (number, _) in RULES.items():
        field = Policy.model_fields[key]
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        values = show_type(shown[key])
        rows.append([number, code(key), field.description or "", values, code(default)])
    return page("Policy: rules of a hospital", INTRO, table(HEADER, rows))
