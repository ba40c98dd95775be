"""`CITATION.cff`: how to cite the study; what only its authors know is marked.

The Citation File Format 1.2.0: https://doi.org/10.5281/zenodo.5171937
"""

from typing import Any

import yaml

from medfl_common import __version__
from medfl_server.reports.model_in_words import what_it_does
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.words.study import day

YOU = "YOU WRITE THIS"
PERSON = {"family-names": YOU, "given-names": YOU}
COMMENT = f"# Replace each {YOU!r}. Add doi, repository and license, once there are some.\n"
RELEASED = f"# {YOU}: the day on which it is published; this is the day of the study's end.\n"


def citation(facts: Facts) -> str:
    """Write the file: valid as it is, and of no use before names stand in it."""
    title = f"{YOU}: title of the paper on the study {facts.plan.study}"
    found: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this study's model or figures, please cite the paper.",
        "type": "software",
        "title": title,
        "abstract": what_it_does(facts.plan),
        "authors": [PERSON],
        "keywords": ["federated learning", "medical imaging", *facts.plan.images.modality],
        "identifiers": [_identifier("the plan", facts.plan.hash())],
        "preferred-citation": {
            "type": "article", "title": title, "authors": [dict(PERSON)], "journal": YOU,
        },
        "references": [
            {
                "type": "software", "title": "medfl", "version": __version__,
                "authors": [{"name": "The medfl maintainers"}], "license": "Apache-2.0",
            }
        ],
    }  # fmt: skip
    if facts.finished is not None:
        found["date-released"] = day(facts.finished)
        found["identifiers"].append(_identifier("the shared weights", facts.finished.sha256))
    text = yaml.safe_dump(found, sort_keys=False, allow_unicode=True)
    return COMMENT + text.replace("\ndate-released:", f"\n{RELEASED}date-released:")


def _identifier(what: str, sha256: str) -> dict[str, str]:
    return {"type": "other", "value": f"sha256:{sha256}", "description": f"SHA-256 of {what}"}
