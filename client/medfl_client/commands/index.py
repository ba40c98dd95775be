"""`medfl-client index`: what data a site has, what is wrong with them, and a verdict."""

import json
import time
from pathlib import Path

from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.data.reasons import file_rows
from medfl_client.readiness.assess import Readiness, as_json, assess
from medfl_client.readiness.boxes import box_tables
from medfl_client.readiness.checks import VERDICTS, Verdict
from medfl_client.readiness.left_out import write_left_out
from medfl_client.readiness.masks import mask_tables
from medfl_client.readiness.page import answer, write_readiness
from medfl_client.readiness.share import counts_to_share
from medfl_common.files import write_atomic, write_private
from medfl_common.metrics.harmony import harmony_text
from medfl_common.plan.plan import load_plan
from medfl_common.ui.page import Table
from medfl_common.ui.told import Follows

LIMIT = 2000  # samples that the command decodes without --all
FILES = ["files", "what became of them"]
VERSION = 1  # of the facts for the console


def survey(
    folder: Path,
    plan_file: Path | None,
    every: bool,
    is_for_script: bool,
    share: Path | None,
    screen: Follows,
) -> Verdict:
    """Index a site, judge it, and write `readiness.html` into its directory; sends nothing.

    Args:
        folder: The site's directory.
        plan_file: The study's plan, if there is one yet.
        every: Decode every sample.
        is_for_script: Print JSON, and no more.
        share: Where counts for the coordinator are written; None: they are not.
        screen: Shows what is found.
    """
    site = load_site_file(folder)
    plan = load_plan(plan_file) if plan_file is not None else None
    watch = None if is_for_script else screen.watch
    found = assess(folder, site, plan, watch, limit=0 if every else (LIMIT if plan else 0))
    write_readiness(found, site.site, SiteFolder(folder).readiness, site.data)
    write_private(StateFolder.of(folder).readiness, _facts(found, site.site))
    unused = {} if found.masks is None else found.masks.unused
    unused |= {} if found.boxes is None else found.boxes.unused
    write_left_out(found.refused | unused, StateFolder.of(folder).left_out)
    if share is not None:
        counts = harmony_text(counts_to_share(found, site))
        write_atomic(share, counts.encode())
    if is_for_script:
        print(json.dumps(as_json(found, site.site), indent=1))
        return found.verdict
    rows = file_rows(found.files["used"], found.refused)
    screen.table(FILES, rows)
    for table in _tables(found):
        screen.table(table.header, table.rows)
    for finding in found.findings:
        advice = f" ({finding.todo})" if finding.todo else ""
        screen.say(f"{VERDICTS[finding.state]}: {finding.seen}{advice}")
    screen.say(f"{found.verdict.upper()}. {answer(found)}")
    screen.say(f"the page stays here: {SiteFolder(folder).readiness}")
    if share is not None:
        screen.say(f"wrote {share}. It holds this and no more; read it, then send it:\n{counts}")
    return found.verdict


def _tables(found: Readiness) -> list[Table]:
    tables = [] if found.masks is None else mask_tables(found.masks)
    return tables + ([] if found.boxes is None else box_tables(found.boxes))


def _facts(found: Readiness, site: str) -> bytes:
    """Give what the page says, for the console: no file name, no image, no patient."""
    rows = file_rows(found.files["used"], found.refused)
    facts = {
        "version": VERSION, "written": time.time(), "answer": answer(found),
        "study": "" if found.is_survey else found.plan.study, **as_json(found, site),
        "tables": [
            {"header": [*table.header], "rows": [[*row] for row in table.rows]}
            for table in [Table(FILES, rows), *_tables(found)]
        ],
    }  # fmt: skip
    return json.dumps(facts).encode()
