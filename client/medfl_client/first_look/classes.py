"""Which class of the plan each word of the labels means: proposed where it is plain, else asked."""

from collections import Counter
from collections.abc import Mapping

from medfl_client.data.labels import NONE, UNKNOWN
from medfl_client.first_look.sheet import alike
from medfl_client.first_look.subject import Subject
from medfl_common.errors import ConfigError
from medfl_common.plan.task import Task
from medfl_common.ui.asking import Asking

MOST_ASKED = 20  # words that a person is asked about; a column with more is no column of labels
MOST_SHOWN = 8
UNCHANGED = "site.yaml stays as it is"
NEGATIVE = {"0", "0.0", "no", "n", "neg", "negative", "false", "absent"}
POSITIVE = {"1", "1.0", "yes", "y", "pos", "positive", "true", "present"}
NOTHING = {"nofinding", "nofindings", "none", "normal"}  # multilabel: no finding of the plan
UNSURE = {"-1", "-1.0", "u", "uncertain", "unknown", "?", "na", "n/a", "nan"}


def map_words(
    counts: Counter[str], task: Task, site: Subject, what: str, asking: Asking,
    in_cell: bool = False,
) -> dict[str, str]:  # fmt: skip
    """Give the words that are written otherwise than the plan's, with the class that each means.

    Args:
        counts: How often each word stands there; the empty word is a blank cell.
        task: The plan's.
        site: What its file says already counts; where nobody looks at its images, words may stay.
        what: Names the place, such as `column finding`.
        asking: Asks a person.
        in_cell: Multilabel: findings stand in one cell, and these are the single words.

    Raises ConfigError where nobody answers, or where there are too many words for labels.
    """
    known = site.values
    legal = legal_words(task, in_cell)
    blank = 0 if task.type == "multilabel" else counts[""]
    open_ = [word for word, _ in counts.most_common() if word and not _is_known(word, legal, known)]
    if site.look is not None or asking.is_answered:
        refuse_many(open_, task, what)
    found = {word: known[word] for word in counts if word in known}
    unanswered = []
    for word in open_:
        is_code = word.isdigit() and any(_is_code(other) for other in open_)
        proposed, why = ("", _one_of(legal)) if is_code else _propose(word, task, legal)
        if not asking.is_answered and not proposed:
            unanswered.append(word)
            continue
        said = f"{word!r} is in {_rows(counts[word])} of {what}" + f"; {why}" * bool(why)
        found[word] = asking.ask(f"{word!r} means", proposed, said, lambda t: _legal(t, legal))
    if unanswered:
        _refuse_or_tell(unanswered, what, site, asking)
    if blank and "" not in known:
        said = f"{what} is blank in {_rows(blank)}; unknown: these images are left out"
        answer = asking.ask("A blank cell means", UNKNOWN, said, lambda t: _legal(t, legal))
        found |= {"": answer} if answer != UNKNOWN else {}
    return found


def _refuse_or_tell(words: list[str], what: str, site: Subject, asking: Asking) -> None:
    """Refuse words that nobody explains; where nothing need be right yet, tell them."""
    seen = f"{what} has words that are no class of the plan: {_shown(words)}"
    if site.look is None:
        asking.screen.say(f"{seen}. medfl-client data asks what they mean")
        return
    raise ConfigError(
        seen,
        todo="answer in a terminal, without --yes; or name another column with --label-column, or "
        "map them under data.values in site.yaml",
        data=UNCHANGED,
    )


def legal_words(task: Task, in_cell: bool = False) -> list[str]:
    """List what a word may mean."""
    if task.type != "multilabel":
        return [*task.classes, UNKNOWN]
    return [*task.classes, NONE] if in_cell else ["1", "0", UNKNOWN]


def refuse_many(words: list[str], task: Task, what: str) -> None:
    """Raise ConfigError where so many words are no class that they are no labels."""
    if len(words) > MOST_ASKED:
        raise ConfigError(
            f"{what} has {len(words):,} different words that are no class of the plan "
            f"({', '.join(task.classes)}): {_shown(words)}",
            todo="name the column of the labels; or map the words under data.values in site.yaml",
            data=UNCHANGED,
        )


def _is_known(word: str, legal: list[str], known: Mapping[str, str]) -> bool:
    is_number = legal[0] == "1" and word.lower() in ("1.0", "0.0", "-1", "-1.0", UNKNOWN)
    return word in legal or is_number or known.get(word) in legal


def _propose(word: str, task: Task, legal: list[str]) -> tuple[str, str]:
    """Give the meaning that a word most likely has, and why; empty: it could be any."""
    plain = word.casefold()
    same = [name for name in task.classes if alike(name) == alike(word) and name in legal]
    if len(same) == 1:
        return same[0], f"but for letter case and blanks it is {same[0]}"
    if NONE in legal and alike(word) in NOTHING:
        return NONE, "it names no finding of the plan"
    if UNKNOWN in legal and plain in UNSURE:
        return UNKNOWN, "unknown: these images are left out, or this finding of them"
    if task.type == "binary" or legal[0] == "1":
        negative, positive = task.classes if task.type == "binary" else ("0", "1")
        if plain in NEGATIVE:
            return negative, f"{negative} is the negative one"
        if plain in POSITIVE:
            return positive, f"{positive} is the positive one"
    return "", _one_of(legal)


def _one_of(legal: list[str]) -> str:
    return f"it means one of: {', '.join(legal)}"


def _is_code(word: str) -> bool:
    """Say whether a word is a number that is no sign: beside 2, neither is 1 a yes."""
    return word.isdigit() and word not in NEGATIVE | POSITIVE


def _legal(text: str, legal: list[str]) -> str:
    if text not in legal:
        near = [name for name in legal if alike(name) == alike(text)]
        if len(near) != 1:
            raise ConfigError(f"{text!r} is none of: {', '.join(legal)}", todo="write one of them")
        return near[0]
    return text


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n:,} rows"


def _shown(words: list[str]) -> str:
    listed = ", ".join(repr(word[:40]) for word in words[:MOST_SHOWN])
    return listed if len(words) <= MOST_SHOWN else f"{listed}, ..."
