"""Error codes: what each means, and who acts."""

import inspect

from tools.reference.markdown import code, first_words, page, table

from medfl_common import errors

INTRO = """A command that fails prints what is wrong with its code, what became of the data and who
does what, and exits with 1. Of a failure at a hospital the coordinator learns a code and an
incident number, nothing else: it reads the sentence below, and the hospital looks the number up in
`state/incidents.jsonl`."""
HEADER = (
    "code",
    "error",
    "what is wrong",
    "what the coordinator reads of a hospital",
    "who acts",
    "what to do",
)


def error_codes() -> str:
    """Give the page."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    found = sorted((k.code, k) for k in kinds if issubclass(k, errors.MedflError))
    rows = [
        [f"E{number}", code(kind.__name__), first_words(kind), *vars(errors.CODES[number]).values()]
        for number, kind in found
    ]
    return page("Error codes", INTRO, table(HEADER, rows))
