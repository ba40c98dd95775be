"""`medfl-client index`: what data a site has, what is wrong with them, and a verdict."""

import json
from pathlib import Path

from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.data.reasons import file_rows
from medfl_client.readiness.assess import as_json, assess
from medfl_client.readiness.boxes import box_tables
from medfl_client.readiness.checks import VERDICTS, Verdict
from medfl_client.readiness.left_out import write_left_out
from medfl_client.readiness.masks import mask_tables
from medfl_client.readiness.page import answer, write_readiness
from medfl_client.readiness.share import counts_to_share
from medfl_common.files import write_atomic
from medfl_common.metrics.harmony import harmony_text
from medfl_common.plan.plan import load_plan
from medfl_common.ui.screen import Screen

LIMIT = 2000  # samples that the command decodes without --all


def survey(
    folder: Path,
    plan_file: Path | None,
    every: bool,
    is_for_script: bool,
    share: Path | None,
    screen: Screen,
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
    screen.table(["files", "what became of them"], rows)
    tables = [] if found.masks is None else mask_tables(found.masks)
    tables += [] if found.boxes is None else box_tables(found.boxes)
    for table in tables:
        screen.table(table.header, table.rows)
    for finding in found.findings:
        advice = f" ({finding.todo})" if finding.todo else ""
        screen.say(f"{VERDICTS[finding.state]}: {finding.seen}{advice}")
    screen.say(f"{found.verdict.upper()}. {answer(found)}")
    screen.say(f"the page stays here: {SiteFolder(folder).readiness}")
    if share is not None:
        screen.say(f"wrote {share}. It holds this and no more; read it, then send it:\n{counts}")
    return found.verdict
