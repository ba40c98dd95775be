"""The first page of the reference."""

from tools.reference.markdown import page

CONTENTS = {
    "plan.md": "every key of a study plan, with type, range, default and meaning",
    "plan.schema.json": "the same for editors, as JSON Schema",
    "site.md": "every key of a hospital's `site.yaml`",
    "policy.md": "the rules P1 to P16 of a hospital's policy",
    "scenario.md": "every key of a simulation: partitions, scanner shift, faults",
    "commands.md": "every command and option of the three programs",
    "algorithms.md": "the algorithms: options, what is kept where, papers",
    "models.md": "the networks: weights, megabytes a round",
    "operators.md": "the tensor operators of which a brought network, loss or image step is made",
    "metrics.md": "the scores: definition, range, intervals; metrics for Prometheus",
    "errors.md": "the error codes: what each means, who acts",
    "directories.md": "the files of a run directory and of a site directory",
}
INTRO = "`make reference` writes these pages from the code, and a test fails if they are stale."


def index() -> str:
    """Give the page."""
    lines = [f"- [{name}]({name}): {words}" for name, words in CONTENTS.items()]
    return page("Reference", INTRO, "\n".join(lines))
