import pytest

from medfl_common.errors import ConfigError
from medfl_common.plan.plan import plan_from_json
from medfl_common.plan.strict_json import parse_json


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a":' * 5000 + "1" + "}" * 5000, "nests"),
        ("[" * 100_000, "nests"),
        ('{"a":' * 25 + "1" + "}" * 25, "nests"),
        ('{"seed":' + "9" * 5000 + "}", "digits"),
        ('{"seed": NaN}', "NaN"),
        ('{"seed": -Infinity}', "-Infinity"),
        ('{"plan": 1, "plan": 1}', "twice"),
        ('{"a": [' + "[]," * 20_000 + "[]]}", "keys and values"),
        ("x" * 300_000, "larger"),
        ("[1]", "keys and values"),
        ("\x00", "character 0"),
    ],
)
def test_json_beyond_the_bounds_or_ambiguous_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse_json(text, "the text")


def test_a_plan_with_thousands_of_unknown_keys_gets_a_short_answer() -> None:
    text = "{" + ",".join(f'"k{i}": 1' for i in range(4000)) + "}"

    with pytest.raises(ConfigError, match="more") as refused:
        plan_from_json(text)

    assert len(str(refused.value).splitlines()) < 30
