"""What a wizard writes is read back as it was meant, whatever the words are."""

import random

import pytest

from medfl_common.plan.commented import entry
from medfl_common.plan.strict_yaml import parse_yaml

WORDS = [
    "no", "0123", "null", ": #", "~", "", " ", "yes", "1e-3", ".5", "- x", "a: b", "# x",
    'q"uo\\te', "ü é", "%", "[a]", "{a: b}", "=HYPERLINK(1)", "2026-01-02", "12:30", "\t",
    "\x1b[31m", "\x7f",
    "\u2028", "\ufeff", "😀", "*a", "&a", "!x", "|", ">", "?", "on", "<<", "Pneumonia ",
    "a  b", "'",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_the_same_as_key_value_and_in_a_list(word: str) -> None:
    text = "\n".join([
        entry("key", word, word), entry("list", [word, "b"]), entry("map", {word: word}, word),
    ])  # fmt: skip

    assert parse_yaml(text, "x") == {"key": word, "list": [word, "b"], "map": {word: word}}


def test_words_of_any_letters_are_the_same() -> None:
    rng = random.Random(7)
    letters = [*"ab01:#-?,[]{}&*!|>'\"%@`\\ \t\n\r\x00\x85\xa0é漢😀\u202e\ue000\U000e0001~=.<"]
    words = ["".join(rng.choices(letters, k=rng.randint(0, 9))) for _ in range(500)]

    text = entry("map", {word: word[::-1] for word in words})

    assert parse_yaml(text, "x") == {"map": {word: word[::-1] for word in words}}


@pytest.mark.parametrize("value", [0, -3, 0.001, 1e-7, 2.5e20, True, False, None])
def test_a_number_is_the_same(value: object) -> None:
    assert parse_yaml(entry("key", value), "x") == {"key": value}  # type: ignore[arg-type]
