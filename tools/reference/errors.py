"""Error codes: what each means, who acts, and what they do."""

import inspect

from tools.reference.markdown import code, page, table

from medfl_common import errors

INTRO = """A command that fails says what is wrong, what to do and who does it, and exits with 1. Of
a failure at a hospital the coordinator learns a code and an incident number, nothing else: it
reads the sentence below, and the hospital looks the number up in `state/incidents.jsonl`."""
HEADER = ("code", "what is wrong", "as the coordinator reads it", "who acts", "what to do", "class")


def error_codes() -> str:
    """Give the page."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    found = {k.code: k.__name__ for k in kinds if issubclass(k, errors.MedflError)}
    rows = []
    for number, told in errors.CODES.items():
        kind = errors.kind_of(number)
        acts = told.who or "nobody"
        rows.append([f"E{number}", kind, told.meaning, acts, told.todo, code(found[number])])
    return page("Error codes", INTRO, table(HEADER, rows))
